"""Who may see the page: whoever has a link that was not used, or a token for operators."""

import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from coupons.process.rotating_keys import KeySetVerifier
from coupons.sign_in_links import LIFE_SECONDS
from coupons.tokens import AUDIENCE
from coupons.waiting import eventually
from monitor.page.sign_in import SignIn, SignInRefused
from tests.monitor.page.conftest import Serve, Served, code, token
from tests.support.issuers import Key, issuer

PAGES = ("/", "/live", "/requests?coupon=1&user=2", "/coupons", "/coupons/1/pause", "/audit")


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_a_page_who_is_not_signed_in(served: Served, path: str) -> None:
    answer = served.browser().get(path)
    assert (answer.status, answer.headers["Location"]) == (303, "/sign-in")
    assert "Postgres" not in answer.text


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/state.json"])
def test_probes_need_no_sign_in(served: Served, path: str) -> None:
    answer = served.browser().get(path)
    assert answer.status == 200
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("acts", [True, False])
def test_a_link_signs_in_once_and_says_who_may_do_what(served: Served, acts: bool) -> None:
    browser, one = served.browser(), code("ana", acts)
    shown = browser.get(f"/sign-in/{one}")
    assert shown.status == 200
    assert ("may <strong>act" in shown.text) is acts
    # Reading the page of a link does not use it up.
    assert served.browser().get(f"/sign-in/{one}").status == 200
    answer = browser.post("/sign-in", csrf_token=shown.csrf_token, code=one)
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    assert f"ana, may {'act' if acts else 'look'}" in browser.get("/").text
    other = served.browser()
    refused = other.sign_in(code=one)
    assert refused.status == 403
    assert "used before" in refused.text
    assert other.get("/").status == 303


def test_a_link_that_is_old_of_another_key_or_made_up_signs_nobody_in(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = time.time()
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: made + 1)
        late = code()
        patched.setattr(time, "time", lambda: made - 60)
        before_the_start = code()
    for one, why in (
        (code(key="another-key-of-links-of-the-tests"), "not a link of this monitor"),
        ("x" * 2_000, "not a link of this monitor"),
        ("<script>alert(1)</script>", "not a link of this monitor"),
        (before_the_start, "made before the monitor started"),
    ):
        refused = served.browser().sign_in(code=one)
        assert refused.status == 403
        assert why in refused.text
        assert "<script>alert" not in refused.text
    monkeypatch.setattr(time, "time", lambda: made + LIFE_SECONDS + 5)
    assert "older than 5 minutes" in served.browser().sign_in(code=late).text


@pytest.mark.parametrize(
    ("scopes", "role"),
    [(["coupon:ops"], "look"), (["coupon:ops", "coupon:admin"], "act")],
)
def test_a_token_for_operators_signs_in(served: Served, scopes: list[str], role: str) -> None:
    browser = served.browser()
    assert browser.sign_in(token=f" {token(*scopes)}\n").status == 303
    assert f"user 42, may {role}" in browser.get("/").text


def test_another_token_signs_nobody_in(served: Served) -> None:
    for wrong, why in (
        (token("coupon:issue"), "coupon:ops"),
        (token("coupon:admin"), "coupon:ops"),
        (token()[:-2], "not valid"),
        ("", "give a token"),
        ("<b>x</b>", "not valid"),
    ):
        browser = served.browser()
        refused = browser.sign_in(token=wrong)
        assert refused.status == 403
        assert why in refused.text
        assert "<b>x" not in refused.text
        assert browser.get("/").status == 303


def test_a_token_by_a_key_set_signs_in() -> None:
    """While the key set cannot be read, it says so: the token may be valid."""
    key, of = Key("first"), "https://issuer.example"
    operators_token = key.token(of, 7, "coupon:ops")
    with issuer(key) as server:
        with closing(KeySetVerifier({of: server.url}, AUDIENCE, 0.0, 300.0, 600.0)) as verifier:
            assert SignIn(None, verifier).by_token(operators_token).who == "user 7"
        server.status = 500
        with (
            closing(KeySetVerifier({of: server.url}, AUDIENCE, 0.0, 300.0, 600.0)) as verifier,
            pytest.raises(SignInRefused, match=r"cannot be read.*500"),
        ):
            SignIn(None, verifier).by_token(operators_token)


def test_a_session_ends_with_its_token(served: Served) -> None:
    browser = served.browser()
    form = browser.get("/sign-in")
    # The leeway for the issuer's clock is 5 s more.
    soon_over = token("coupon:ops", expires_seconds=3)
    signed_in = browser.post("/sign-in", csrf_token=form.csrf_token, token=soon_over)
    assert signed_in.status == 303
    eventually(lambda: browser.get("/").status == 303, within_s=30)
    assert browser.get("/live", **{"HX-Request": "true"}).status == 401


def test_signing_out_ends_the_session(served: Served) -> None:
    browser = served.operator()
    assert browser.post("/sign-out", csrf_token=browser.get("/").csrf_token).status == 303
    assert browser.get("/").status == 303


def test_the_cookie_is_for_this_page_only_and_of_limited_life(served: Served) -> None:
    cookies = served.browser().sign_in(code=code()).cookies
    assert "HttpOnly" in cookies
    assert "SameSite=Strict" in cookies
    assert "Expires=" in cookies
    assert "Secure" not in cookies
    assert f"coupon_page_{served.url.rpartition(':')[2]}=" in cookies


def test_a_cookie_of_a_name_that_others_reach_needs_https(serve: Serve) -> None:
    served = serve(monitor_page_hosts="ops.example.com")
    answer = served.browser().get("/sign-in", Host="ops.example.com")
    assert answer.status == 200
    assert "Secure" in answer.cookies


def test_a_made_up_cookie_signs_nobody_in(served: Served) -> None:
    browser = served.operator()
    [(name, value)] = browser.session.cookies.items()
    forged = served.browser()
    for other in (f"{value}x", "x" * 3_000, "eyJvcGVyYXRvciI6WyJhIix0cnVlLDllOTldfQ.x.x"):
        forged.session.cookies.set(name, other)
        assert forged.get("/").status == 303


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_a_form_without_its_token_does_nothing(served: Served, path: str) -> None:
    browser = served.operator()
    for field in ({}, {"csrf_token": ""}, {"csrf_token": "made-up"}):
        refused = browser.post(path, code=code(), **field)
        assert refused.status == 400
        assert "This form is too old" in refused.text
    assert browser.get("/").status == 200


def test_the_token_of_another_session_does_not_count(served: Served) -> None:
    browser, other = served.operator(), served.operator()
    assert browser.post("/sign-out", csrf_token=other.get("/").csrf_token).status == 400


def test_every_page_forbids_what_a_page_of_somebody_else_could_use(served: Served) -> None:
    browser = served.operator()
    for path in ("/", "/live", "/requests", "/nothing", "/static/page.css"):
        headers = browser.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
    for path in ("/", "/requests"):
        text = browser.get(path).text
        assert "<style" not in text
        assert " style=" not in text
        assert "<script>" not in text
        assert "//" not in text.replace("http://127.0.0.1", "")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "LOCALHOST", "127.0.0.2"])
def test_every_name_of_this_machine_for_itself_is_taken(served: Served, host: str) -> None:
    port = served.url.rpartition(":")[2]
    for name in (host, f"{host}:{port}", f"{host}:12345"):
        answer = served.browser().get("/sign-in", Host=name)
        assert (answer.status, "Secure" in answer.cookies) == (200, False), name


@pytest.mark.parametrize(
    ("settings", "host", "status"),
    [
        ({"monitor_page_hosts": "ops.example.com, [fd00::7]"}, "OPS.example.com:443", 200),
        ({"monitor_page_hosts": "ops.example.com, [fd00::7]"}, "[fd00::7]:9400", 200),
        ({"monitor_page_hosts": "ops.example.com"}, "x.ops.example.com", 400),
        ({"monitor_host": "0.0.0.0"}, "0.0.0.0", 400),
    ],
)
def test_the_page_has_the_names_of_its_settings(
    serve: Serve, settings: dict[str, str], host: str, status: int
) -> None:
    assert serve(**settings).browser().get("/sign-in", Host=host).status == status


WRONG_HOSTS = ("evil.example.com", "127.0.0.1.evil.example.com", "", "x" * 500)
WRONG_ADDRESSES = ("[fe80::1]", "[::1].evil.example.com", "10.0.0.1", "localhost.evil.com")


def test_a_host_that_is_not_ours_gets_nothing(served: Served) -> None:
    cookies = served.operator().session.cookies.get_dict()

    def asked(host: str) -> tuple[int, str]:
        """Not by `requests`, which parses the host and refuses some by itself."""
        headers = {"Host": host, "Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())}
        with closing(HTTPConnection(urlsplit(served.url).netloc, timeout=10)) as connection:
            connection.request("GET", "/", headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    assert asked("127.0.0.1")[0] == 200
    for host in (*WRONG_HOSTS, *WRONG_ADDRESSES):
        status, text = asked(host)
        assert status == 400
        assert "pipeline" not in text
    # Prometheus asks by whatever name the network has for it.
    assert served.browser().get("/healthz", Host="monitor:9400").status == 200


def test_without_a_key_nobody_signs_in_and_the_page_says_so(serve: Serve, key_file: Path) -> None:
    closed = serve(monitor_link_key=None, jwt_key_file=None)
    assert "has no way to sign in" in closed.browser().get("/sign-in").text
    assert "COUPON_MONITOR_LINK_KEY" in closed.browser().get(f"/sign-in/{code()}").text
    only_tokens = serve(monitor_link_key=None)
    assert "coupon monitor" not in only_tokens.browser().get("/sign-in").text
    assert only_tokens.browser().sign_in(token=token()).status == 303
