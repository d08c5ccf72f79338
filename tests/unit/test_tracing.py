"""All processes sample the same requests, and their spans make one tree without being carried."""

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from pydantic import SecretStr

from api.settings import ApiSettings
from coupons.errors import ConfigurationError
from coupons.ids import MAX_COUPON_ID, MAX_USER_ID, request_id_text
from coupons.process.settings import load_settings
from coupons.process.tracing import CLAIM, ISSUE, new_span_id, stage_span_id
from coupons.process.tracing.spans import is_sampled, sample_bound

ROOT = Path(__file__).parents[2]
IDS = 100_000

SHAPES = {
    "users in sequence": lambda n: (5000, 1_000_000 + n),
    "every 64th user": lambda n: (5000, 64 * n + 1),
    "large users": lambda n: (7, MAX_USER_ID - n),
    "one user a coupon": lambda n: (1 + n, 4711),
    "many coupons and users": lambda n: (MAX_COUPON_ID - n % 100, 1 + n // 100),
}


def sampled(shape: str, ratio: float) -> set[tuple[int, int]]:
    bound = sample_bound(ratio)
    keys = map(SHAPES[shape], range(IDS))
    return {key for key in keys if is_sampled(*key, bound)}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ratio", [0.001, 0.01, 0.1, 0.5])
def test_as_many_requests_are_sampled_as_the_ratio_says(shape: str, ratio: float) -> None:
    expected = ratio * IDS
    deviation = (expected * (1 - ratio)) ** 0.5
    assert abs(len(sampled(shape, ratio)) - expected) < 5 * deviation


def test_the_ends_of_the_ratio_sample_nothing_and_everything() -> None:
    assert sampled("users in sequence", 0) == set()
    assert len(sampled("users in sequence", 1)) == IDS


def test_what_a_small_ratio_samples_a_larger_one_samples_too() -> None:
    assert sampled("users in sequence", 0.01) < sampled("users in sequence", 0.02)


def test_another_process_samples_the_same_requests_and_derives_the_same_ids() -> None:
    program = """
from coupons.process.tracing import CLAIM, stage_span_id
from coupons.process.tracing.spans import is_sampled, sample_bound
bound = sample_bound(0.01)
for user in range(1, 20001):
    if is_sampled(5000, user, bound):
        print(user, stage_span_id(5000, user, CLAIM))
"""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    bound = sample_bound(0.01)
    users = [user for user in range(1, 20_001) if is_sampled(5000, user, bound)]
    here = "".join(f"{user} {stage_span_id(5000, user, CLAIM)}\n" for user in users)
    assert outputs == {here}


def test_a_stage_has_the_id_that_the_documented_rule_gives() -> None:
    text = f"{request_id_text(5000, 4711)}/claim"
    assert stage_span_id(5000, 4711, CLAIM) == int(sha256(text.encode()).hexdigest()[:16], 16)
    assert stage_span_id(5000, 4711, CLAIM) != stage_span_id(5000, 4711, ISSUE)
    assert stage_span_id(5000, 4711, CLAIM) != stage_span_id(5000, 4712, CLAIM)


def test_a_span_id_at_random_is_never_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coupons.process.tracing.spans.randbits", lambda _: 0)
    assert new_span_id() == 1


WITHOUT_THE_EXTRA = "import sys; sys.modules['opentelemetry'] = sys.modules['google'] = None\n"


def test_while_tracing_is_off_nothing_of_the_sdk_is_imported() -> None:
    program = f"""{WITHOUT_THE_EXTRA}
import api.bootstrap, cdc_consumer.bootstrap, reconciler.service
from prometheus_client import Counter
from pydantic import SecretStr
from coupons.process.settings import ProcessSettings
from coupons.process.tracing import start_tracing
settings = ProcessSettings(
    database_url=SecretStr("postgresql://role:password@host:1/database"),
    redis_url=SecretStr("redis://host:1/0"),
    trace_endpoint=SecretStr("http://127.0.0.1:1"),
)
assert start_tracing(settings, "coupon-api", Counter("spans", "spans", ["result"])) is None
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_tracing_without_its_packages_is_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("COUPON_TRACE_SAMPLE_RATIO", "0.01")
    environment.setenv("COUPON_TRACE_ENDPOINT", "http://127.0.0.1:4318")
    program = f"{WITHOUT_THE_EXTRA}from api.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr == (
        "COUPON_TRACE_SAMPLE_RATIO needs packages that are not installed: install the extra"
        " `trace` (pip install '.[trace]'), or set the ratio to 0\n"
    )


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("COUPON_DATABASE_URL", "postgresql://role:password@host:1/database")
    monkeypatch.setenv("COUPON_REDIS_URL", "redis://host:1/0")
    monkeypatch.setenv("COUPON_JWT_KEY_FILE", "key")
    return monkeypatch


def test_a_ratio_without_a_collector_is_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("COUPON_TRACE_SAMPLE_RATIO", "0.01")
    with pytest.raises(ConfigurationError, match="needs COUPON_TRACE_ENDPOINT: set it"):
        load_settings(ApiSettings)


@pytest.mark.parametrize("ratio", ["-0.1", "1.1", "nan", "one"])
def test_a_ratio_that_is_none_is_refused(environment: pytest.MonkeyPatch, ratio: str) -> None:
    environment.setenv("COUPON_TRACE_ENDPOINT", "http://127.0.0.1:4318")
    environment.setenv("COUPON_TRACE_SAMPLE_RATIO", ratio)
    with pytest.raises(ConfigurationError, match="COUPON_TRACE_SAMPLE_RATIO is"):
        load_settings(ApiSettings)


def test_a_collector_without_a_ratio_is_tracing_off(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("COUPON_TRACE_ENDPOINT", "http://127.0.0.1:4318")
    settings = load_settings(ApiSettings)
    assert settings.trace_endpoint == SecretStr("http://127.0.0.1:4318")
    assert settings.trace_sample_ratio == 0
