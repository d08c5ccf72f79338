"""Bearer tokens of several issuers, by key sets (JWKS) that are read again in the background.

Nothing here waits for a key set while a token is verified: that may be in an event loop.
"""

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from random import uniform
from threading import Event, Thread

from coupons.errors import ConfigurationError, KeysUnavailable
from coupons.key_sets import PublicKey
from coupons.links.key_sets import read_key_set
from coupons.process.bearer import Caller, OneKeyVerifier, TokenVerifier
from coupons.process.token_parts import key_of
from coupons.tokens import REHEARSAL_ISSUER

log = logging.getLogger(__name__)

AGAIN_SECONDS = 10.0
"""Least time between two readings of a key set: so that made-up ids of keys cause no more, and
after a reading that failed."""
FIRST_SECONDS = 8.0
"""Longest that a start waits for the first reading of all."""


class KeySetVerifier(TokenVerifier):
    """Verifies tokens by the key that their `kid` names in the key set of their issuer.

    sources: the file or URL of each issuer's key set. Each is read by a thread of its own, so that
    an issuer that hangs delays no other. A key has one algorithm, never that of a shared secret. An
    issuer whose key set was not read for max_age_seconds has no keys.
    """

    def __init__(
        self,
        sources: Mapping[str, str],
        audience: str,
        leeway_seconds: float,
        refresh_seconds: float,
        max_age_seconds: float,
    ) -> None:
        super().__init__()

        def verifiers(issuer: str, keys: Mapping[str, PublicKey]) -> dict[str, OneKeyVerifier]:
            return {
                kid: OneKeyVerifier(each.key, each.algorithm, issuer, audience, leeway_seconds)
                for kid, each in keys.items()
            }

        self._issuers = {
            issuer: _IssuerKeys(
                issuer,
                partial(read_key_set, source),
                partial(verifiers, issuer),
                self._forget,
                refresh_seconds,
                max_age_seconds,
            )
            for issuer, source in sources.items()
        }
        until = time.monotonic() + FIRST_SECONDS
        for each in self._issuers.values():
            each.wait_for_first(until - time.monotonic())

    def read(self, token: str) -> Caller:
        """The user of the token. Also raises KeysUnavailable."""
        issuer, kid = key_of(token)
        keys = self._issuers.get(issuer) if isinstance(issuer, str) else None
        if keys is None:
            raise ValueError("it is from another issuer")
        return keys.verifier(kid).read(token)

    def check(self) -> None:
        """Raises KeysUnavailable when no issuer of users has keys: they cannot be served then.

        The issuer of rehearsals counts only where there is no other.
        """
        asked = [each for name, each in self._issuers.items() if name != REHEARSAL_ISSUER]
        asked = asked or [*self._issuers.values()]
        failures = [each.failure for each in asked if not each.has_keys]
        if len(failures) == len(asked):
            raise KeysUnavailable("; ".join(failures))

    def close(self) -> None:
        """End the threads; one that is reading ends when it has read."""
        for each in self._issuers.values():
            each.close()


class _IssuerKeys:
    """The keys of one issuer, as they were read last. Everything is replaced, nothing changed.

    changed: called after keys were replaced or have become too old.
    """

    def __init__(
        self,
        issuer: str,
        read: Callable[[], dict[str, PublicKey]],
        verifiers: Callable[[Mapping[str, PublicKey]], dict[str, OneKeyVerifier]],
        changed: Callable[[], None],
        refresh_seconds: float,
        max_age_seconds: float,
    ) -> None:
        self._issuer = issuer
        self._read = read
        self._make = verifiers
        self._changed = changed
        self._refresh_seconds = refresh_seconds
        self._max_age_seconds = max_age_seconds
        self._keys: dict[str, PublicKey] = {}
        self._verifiers: dict[str, OneKeyVerifier] = {}
        self._valid_until = self._read_at = float("-inf")
        self.failure = f"the key set of {issuer} is not read yet"
        self._fails = False
        self._wanted, self._stopping, self._first = Event(), Event(), Event()
        Thread(target=self._keep, name=f"keys-of-{issuer}", daemon=True).start()

    @property
    def has_keys(self) -> bool:
        """Whether the last keys are valid still."""
        return time.monotonic() < self._valid_until

    def wait_for_first(self, seconds: float) -> None:
        """Wait for the first reading, whatever came of it."""
        self._first.wait(max(0.0, seconds))

    def verifier(self, kid: object) -> OneKeyVerifier:
        """By a key's id. Raises ValueError: there is none; KeysUnavailable: that is not known."""
        if not self.has_keys:
            raise KeysUnavailable(self.failure)
        if not isinstance(kid, str):
            raise ValueError("its kid is not a string")
        found = self._verifiers.get(kid)
        if found is not None:
            return found
        if time.monotonic() - self._read_at >= AGAIN_SECONDS:
            self._wanted.set()
        if self._wanted.is_set():
            raise KeysUnavailable(f"the key set of {self._issuer} is being read: try again")
        # It was read just now, maybe after the look-up above.
        found = self._verifiers.get(kid)
        if found is None and self._fails:
            raise KeysUnavailable(self.failure)
        if found is None:
            raise ValueError("its issuer has no key with its kid")
        return found

    def close(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._wanted.set()

    def _keep(self) -> None:
        while not self._stopping.is_set():
            try:
                self._refresh()
            except Exception:
                log.exception("the key set of %s was not read", self._issuer)
            # In this order: who sees the event cleared also sees that it was read just now.
            self._read_at = time.monotonic()
            self._wanted.clear()
            self._first.set()
            if self._stopping.is_set():  # the event may have been set for this
                return
            # Not all processes at the same moment.
            pause = uniform(0.9, 1.0) * self._refresh_seconds  # noqa: S311
            self._wanted.wait(min(pause, AGAIN_SECONDS) if self._fails else pause)

    def _refresh(self) -> None:
        try:
            keys = self._read()
        except (ConfigurationError, KeysUnavailable) as error:
            self._note(f"the key set of {self._issuer} cannot be read: {error}")
            return
        if self._fails:
            log.info("the key set of %s can be read again", self._issuer)
        self._fails = False
        self._valid_until = time.monotonic() + self._max_age_seconds
        if keys != self._keys:
            self._replace(keys)

    def _note(self, failure: str) -> None:
        """Keep the last keys while they are valid."""
        self.failure = failure
        if not self._fails:
            left_s = max(0.0, self._valid_until - time.monotonic())
            log.warning("%s; the last keys stay valid for %.0f s", failure, left_s)
        self._fails = True
        if self._keys and not self.has_keys:
            log.error("%s; the last keys are too old: tokens get 503", failure)
            self._replace({})

    def _replace(self, keys: dict[str, PublicKey]) -> None:
        self._verifiers = self._make(keys)
        self._keys = keys
        self._changed()
