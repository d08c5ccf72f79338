"""The system that a load is sent to: its addresses, tokens and database."""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Protocol

from coupons.tokens import mint_token

TOKEN_SECONDS = 24 * 3600


class Target(Protocol):
    """What a load needs to know of a system."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Its COUPON_* addresses."""

    def token(self, user_id: int, *scopes: str) -> str:
        """A bearer token of this system."""

    def database_url(self, role: str, /) -> str:
        """Postgres as one of the project's roles."""


class RunningStack:
    """The stack that the COUPON_* variables of the environment name."""

    environment: Mapping[str, str] = os.environ

    def token(self, user_id: int, *scopes: str) -> str:
        """Signed with the key in COUPON_JWT_KEY_FILE."""
        return mint_token(self._key, user_id, scopes, TOKEN_SECONDS)

    @cached_property
    def _key(self) -> str:
        return Path(self.environment["COUPON_JWT_KEY_FILE"]).read_text("ascii").strip()

    def database_url(self, _role: str, /) -> str:
        """COUPON_DATABASE_URL, whatever its role; the role must be able to read."""
        return self.environment["COUPON_DATABASE_URL"]
