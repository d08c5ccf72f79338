"""Who signs in to the page: by a one-time link, or with a token of the API."""

import time
from threading import Lock
from typing import NamedTuple

from coupons.errors import CouponError, KeysUnavailable
from coupons.process.bearer import InvalidToken, TokenVerifier
from coupons.process.token_keys import load_verifier
from coupons.sign_in_links import LIFE_SECONDS, Link, NotALink, read_code
from coupons.tokens import ADMIN, OPS
from monitor.settings import MonitorSettings

SESSION_SECONDS = 8 * 3_600
REMEMBERED_SECONDS = 86_400
"""So long the number of a used link is kept."""


class SignInRefused(CouponError):
    """Nobody is signed in. The text says why, and what to do."""


class Operator(NamedTuple):
    """Who is signed in. until_s: when that ends, in seconds since 1970."""

    who: str
    acts: bool
    until_s: float

    @property
    def role(self) -> str:
        """In one word."""
        return "act" if self.acts else "look"


class SignIn:
    """Takes links and tokens. Safe to share between threads.

    A link that was made before this process started is refused: it may have been used. So the list
    of used ones need not outlive the process. It holds those of a day: a clock that is set back
    makes an old link young again.
    """

    def __init__(self, link_key: str | None, verifier: TokenVerifier | None) -> None:
        self._link_key = link_key
        self._verifier = verifier
        self._started_s = time.time()
        self._began_s = time.monotonic()
        self._used: dict[str, float] = {}
        self._lock = Lock()

    @property
    def takes_tokens(self) -> bool:
        """Whether a token can sign in."""
        return self._verifier is not None

    @property
    def takes_links(self) -> bool:
        """Whether a link can sign in."""
        return self._link_key is not None

    def link_of(self, code: str) -> Link:
        """The link, which stays unused. Raises SignInRefused."""
        try:
            if self._link_key is None:
                raise NotALink("this monitor has no key for links (COUPON_MONITOR_LINK_KEY)")
            link = read_code(self._link_key, code)
            if self._may_be_from_before(link):
                raise NotALink("this link was made before the monitor started")
            if link.number in self._used:
                raise NotALink("this link was used before")
        except NotALink as error:
            raise SignInRefused(f"{error}: get a new one with `coupon monitor`") from error
        return link

    def by_link(self, code: str) -> Operator:
        """The operator of a link, which is used from now on. Raises SignInRefused."""
        with self._lock:
            link = self.link_of(code)
            now_s = time.monotonic()
            kept = {number: end_s for number, end_s in self._used.items() if end_s > now_s}
            self._used = {**kept, link.number: now_s + REMEMBERED_SECONDS}
        return Operator(link.who, link.acts, time.time() + SESSION_SECONDS)

    def _may_be_from_before(self, link: Link) -> bool:
        """Whether the link may have been made before this process started.

        By its age, because the clock may have been set since; and by what the clock said then.
        """
        age_s, up_s = time.time() - link.made_s, time.monotonic() - self._began_s
        could_be_used = self._started_s - LIFE_SECONDS <= link.made_s < self._started_s
        return age_s > up_s or could_be_used

    def by_token(self, token: str) -> Operator:
        """The operator of a token with the scope coupon:ops. Raises SignInRefused."""
        if self._verifier is None:
            raise SignInRefused("this monitor takes no tokens: it has no key of them")
        if not token.strip():
            raise SignInRefused("give a token, or get a link with `coupon monitor`")
        try:
            caller = self._verifier.verify(token.strip())
        except (InvalidToken, KeysUnavailable) as error:
            raise SignInRefused(str(error)) from error
        if OPS not in caller.scopes:
            raise SignInRefused(f"the token has not the scope {OPS}: get one that has it")
        until_s = min(caller.expires_at, time.time() + SESSION_SECONDS)
        return Operator(f"user {caller.user_id}", ADMIN in caller.scopes, until_s)


def load_sign_in(settings: MonitorSettings) -> SignIn:
    """By the settings. Raises ConfigurationError when the key of tokens cannot be used."""
    key = settings.monitor_link_key
    verifier = load_verifier(settings) if settings.takes_tokens else None
    return SignIn(key.get_secret_value() if key else None, verifier)
