"""Each state of the runbook: doctor, page and alert name it, and what the runbook says mends it.

Prometheus evaluates the committed rules, without the time that they wait (`for`).
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from chaos.drill.catalogue import STATES
from chaos.drill.page import MonitorPage
from chaos.drill.prometheus import PROGRAM, Prometheus, prometheus
from chaos.drill.site import Site
from chaos.drill.state import Findings
from coupons.waiting import eventually
from stack.disposable import DisposableStack

FIRES_WITHIN_SECONDS = 120
NAMED_WITHIN_SECONDS = 60
WELL_WITHIN_SECONDS = 90


@pytest.fixture(scope="module")
def site(spare_stack: DisposableStack) -> Iterator[Site]:
    with closing(Site(spare_stack)) as site:
        eventually(site.operator.is_all_ok, WELL_WITHIN_SECONDS, "it is healthy before")
        yield site
        for setting in ("max_slot_wal_keep_size", "synchronized_standby_slots"):
            site.reset_postgres(setting)


@pytest.fixture(scope="module")
def claims(site: Site) -> Iterator[ExitStack]:
    """Of people who claim all the time, until this is closed."""
    with ExitStack() as claims:
        claims.enter_context(site.claiming())
        yield claims


@pytest.fixture(scope="module")
def page(site: Site) -> Iterator[MonitorPage]:
    with closing(MonitorPage(site.stack)) as page:
        yield page


@pytest.fixture(scope="module")
def scraping(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus | None]:
    if shutil.which(PROGRAM) is None:
        yield None
        return
    folder = tmp_path_factory.mktemp(PROGRAM)
    with prometheus(folder, site.stack, every_second=True, at_once=True) as scraping:
        yield scraping


@pytest.fixture
def alerting(scraping: Prometheus | None) -> Prometheus | None:
    """It knows nothing of the state before, and no alert fires. None: it is not installed."""
    if scraping:
        scraping.forget()
        scraping.await_targets()
        scraping.await_quiet(None, FIRES_WITHIN_SECONDS)
    return scraping


@pytest.mark.usefixtures("claims")
@pytest.mark.parametrize("name", STATES)
def test_a_state_is_named_and_mended_as_the_runbook_says(
    site: Site, page: MonitorPage, alerting: Prometheus | None, name: str
) -> None:
    state = STATES[name]
    state.cause(site)
    try:

        def named() -> Findings:
            findings = site.operator.findings()
            assert state.is_named(findings), [each for each in findings if each["level"] != "ok"]
            return findings

        findings = eventually(named, NAMED_WITHIN_SECONDS, "doctor names it")
        if alerting:
            alerting.await_firing(state.alerts, FIRES_WITHIN_SECONDS)
        eventually(lambda: page.names(state.doctor[0]), NAMED_WITHIN_SECONDS, "the page names it")
        for command in state.type:
            done = site.operator.type(state.filled_in(command, site, findings))
            said = (command, done.stdout, done.stderr)
            assert done.returncode == 0, (*said, site.stack.log_tails())
        eventually(site.operator.is_well, WELL_WITHIN_SECONDS, "it is healthy again")
    finally:
        site.end_sessions()
    if alerting is None:
        pytest.skip("the alert was not looked at; no prometheus: apt install prometheus")


def test_whoever_was_accepted_meanwhile_has_a_coupon(site: Site, claims: ExitStack) -> None:
    """People claimed during every state above.

    They have gone: a busy machine always has a request on its way as long as they claim, and then
    the counts never add up.
    """
    claims.close()
    site.claim(1)
    done = site.operator.type("coupon verify --wait 60")
    assert done.returncode == 0, done.stdout + done.stderr
    site.assert_all_issued()
