"""What the page of one coupon shows: how far its requests are, how fast it goes, and what is left.

What is counted for all coupons together is called that, and never guessed for one of them.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from coupons.gate import GateFigures
from coupons.model import Coupon, CouponState
from monitor.page.figures import Figure, clock, duration, number, rate
from monitor.state import State
from operations.gate import GateReport

NOT_BY_COUPON = Figure("not counted by coupon", False)
MOST_SECONDS = 10**8


class Facts(NamedTuple):
    """What is known of a coupon. Each may be unknown: then `why` says what does not answer.

    is_watched: whether the monitor reads it again and again. per_s: how many are taken a second.
    """

    coupon: Coupon | None
    figures: GateFigures | None
    why: str
    is_watched: bool
    per_s: float | None


class Stage(NamedTuple):
    """A stage of the funnel."""

    name: str
    figure: Figure
    more: str


class CouponShown(NamedTuple):
    """Everything that the page shows. claims: what a claim gets now; None: not known."""

    at: datetime
    coupon: Coupon | None
    why: str
    claims: str | None
    left: Figure
    rate: Figure
    sold_out: Figure
    funnel: list[Stage]


def show_coupon(state: State, facts: Facts) -> CouponShown:
    """The page of these facts. state: for what is counted for all coupons together."""
    coupon, figures = facts.coupon, facts.figures
    return CouponShown(
        state.taken_at,
        coupon,
        facts.why,
        GateReport(coupon, figures, 0).claims if coupon else None,
        _at_gate(facts, figures.places_left if figures else None),
        _rate(facts),
        _sold_out(state.taken_at, facts),
        list(_funnel(state, facts)),
    )


def _funnel(state: State, facts: Facts) -> Iterator[Stage]:
    coupon, figures = facts.coupon, facts.figures
    kafka = state.kafka.value
    yield Stage("tried", NOT_BY_COUPON, "refusals are counted for all coupons: see below")
    admitted = figures.admitted - figures.compensated if figures else None
    given_back = f"{figures.compensated:,} were given back" if figures else ""
    yield Stage("admitted", _at_gate(facts, admitted), given_back)
    accepted = None
    if coupon and figures:
        accepted = coupon.issued_count + coupon.rejected_count + figures.pending
    pending = f"{figures.pending:,} of them are pending" if figures else ""
    yield Stage("accepted", _at_gate(facts, accepted), pending)
    captured = f"all coupons: {kafka.captured:,} records" if kafka else "Kafka does not answer"
    yield Stage("captured", NOT_BY_COUPON, captured)
    lag = f"all coupons: {kafka.lag:,} records behind" if kafka else "Kafka does not answer"
    yield Stage("consumed", NOT_BY_COUPON, lag)
    issued = coupon.issued_count if coupon else None
    marked = f"{figures.issued:,} marked at the gate" if figures else ""
    yield Stage("issued", _known(facts, issued), marked)
    rejected = coupon.rejected_count if coupon else None
    yield Stage("rejected", _known(facts, rejected), "each request says why")


def _known(facts: Facts, value: int | None) -> Figure:
    return Figure("unknown", False, facts.why) if value is None else Figure(f"{value:,}")


def _at_gate(facts: Facts, value: int | None) -> Figure:
    if facts.coupon and facts.coupon.state is CouponState.DRAFT:
        return Figure("not at the gate: a draft", False)
    if facts.coupon and facts.coupon.state is CouponState.ARCHIVED:
        return Figure("forgotten by the gate: archived", False)
    if value is None and not facts.why:
        return Figure("unavailable at the gate", False)
    return _known(facts, value)


def _rate(facts: Facts) -> Figure:
    if not facts.is_watched:
        return Figure("not measured: it is not live", False)
    text = rate(facts.per_s)
    return Figure("not measured yet", False) if text is None else Figure(text)


def _sold_out(now: datetime, facts: Facts) -> Figure:
    coupon, figures = facts.coupon, facts.figures
    if coupon and coupon.state is CouponState.DRAFT:
        return Figure("not while it is a draft")
    if coupon and coupon.state is CouponState.ARCHIVED:
        return Figure("not while it is archived")
    if coupon is None or figures is None:
        return Figure("unknown", False, facts.why)
    if not figures.places_left:
        return Figure("sold out")
    if coupon.state is not CouponState.OPEN:
        return Figure(f"not while it is {coupon.state}")
    if not facts.per_s:
        return Figure("cannot be estimated: none are taken now", False)
    seconds = min(figures.places_left / facts.per_s, MOST_SECONDS)
    return Figure(f"in {duration(seconds)}", why=f"at {clock(now + timedelta(seconds=seconds))}")


def effect(action: str, facts: Facts, total: int | None) -> Iterator[str]:
    """What an action would do, in numbers. total: the new stock."""
    coupon, figures = facts.coupon, facts.figures
    assert coupon is not None
    stock = coupon.total_quantity
    left = number(figures.places_left) if figures else None
    of = f"{left} of {stock:,}" if left else "A number that is not known now"
    if action == "pause":
        yield f"Claims are refused from now on. {of} are left, for when it is resumed."
    elif action == "resume":
        yield f"Claims are admitted again. {of} are left."
    elif action == "close":
        yield f"Claims are refused for good: this is final. {of} are left, and nobody gets them."
    elif total is not None:
        yield from _effect_on_stock(coupon, figures, total)
    if action in ("pause", "close"):
        if facts.per_s is not None:
            yield f"{rate(facts.per_s)} are taken at present."
        pending = number(figures.pending) if figures else "An unknown number of"
        yield f"{pending} pending requests still become final. {coupon.issued_count:,} are issued."


def _effect_on_stock(coupon: Coupon, figures: GateFigures | None, total: int) -> Iterator[str]:
    stock = coupon.total_quantity
    by = f"{abs(total - stock):,} {'more' if total > stock else 'fewer'}"
    yield f"The stock becomes {total:,} instead of {stock:,}: {by}."
    if figures is None:
        yield "How many are left at the gate is not known now."
        return
    taken = figures.issued + figures.pending
    yield f"{max(0, total - taken):,} are left then, instead of {figures.places_left:,}."
    if taken > total:
        yield f"It is refused while {taken:,} are issued or pending."


def objection(action: str, coupon: Coupon, total: int | None) -> str | None:
    """Why there is nothing to do; None: there is."""
    if coupon.state is CouponState.CLOSED:
        return "It is closed, which is final."
    if coupon.state is CouponState.ARCHIVED:
        return "It is archived, which is final."
    if coupon.state is CouponState.DRAFT:
        return "It is a draft: an administrator changes and opens it over the HTTP API."
    same = {"pause": CouponState.PAUSED, "resume": CouponState.OPEN}.get(action)
    if coupon.state is same:
        return f"It is {coupon.state} already."
    if total is not None and total < coupon.issued_count:
        return f"{coupon.issued_count:,} are issued already: the stock cannot be less."
    if total == coupon.total_quantity:
        return f"The stock is {total:,} already."
    return None
