"""Names of environment variables: those that the project reads, and those that it read before."""

from collections.abc import Iterable, Iterator
from importlib.resources import files

from coupons.process.settings import PREFIX

RENAMED = {
    "COUPON_API_CLAIM_THREADS": "COUPON_API_THREADS",
    "COUPON_CONSUMER_DEAD_LETTERS_IN_A_ROW": "COUPON_CONSUMER_DLQ_MAX_CONSECUTIVE",
    "COUPON_CONSUMER_DEAD_LETTER_SHARE": "COUPON_CONSUMER_DLQ_MAX_RATIO",
    "COUPON_CONSUMER_RECENT_EVENTS": "COUPON_CONSUMER_DLQ_WINDOW",
    "COUPON_RECONCILE_": "COUPON_RECONCILER_",
}
"""Names of before 0.2.0, and what each is called now. One that ends with `_` begins others."""


def known_variables() -> frozenset[str]:
    """Every COUPON_* variable that a process, a command or a file of the project reads.

    The list is made by `make docs`, because no process imports the settings of another one.
    """
    listed = files("coupons.process").joinpath("variables.txt").read_text("utf-8")
    return frozenset(listed.split())


def ignored_variables(names: Iterable[str]) -> Iterator[str]:
    """A warning for each name that begins like a setting, but that nothing of the project reads."""
    known = known_variables()
    for name in sorted(names):
        if name.startswith(PREFIX) and name not in known:
            yield f"{name} is ignored: {_advice(name, known)}"


def _advice(name: str, known: frozenset[str]) -> str:
    for before, now in RENAMED.items():
        if name == before or (before.endswith("_") and name.startswith(before)):
            renamed = name.replace(before, now, 1)
            if renamed in known:
                return f"set {renamed} instead, its new name"
    return "no setting has this name; correct it or unset it"
