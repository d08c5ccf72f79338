"""A stack that runs already, wherever it is: known by the COUPON_* addresses of the environment."""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Protocol

from coupons.tokens import mint_token

TOKEN_SECONDS = 24 * 3600


class Target(Protocol):
    """What load needs to know of a stack."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Its COUPON_* addresses."""

    def token(self, user_id: int, *scopes: str) -> str:
        """A bearer token of this stack."""

    def database_url(self, role: str, /) -> str:
        """Postgres as one of the project's roles."""


class RunningStack:
    """The stack of the environment; COUPON_DATABASE_URL is taken as it is, whatever its role."""

    environment: Mapping[str, str] = os.environ

    def token(self, user_id: int, *scopes: str) -> str:
        """Signed with the key in COUPON_JWT_KEY_FILE."""
        return mint_token(self._key, user_id, scopes, TOKEN_SECONDS)

    @cached_property
    def _key(self) -> str:
        return Path(self.environment["COUPON_JWT_KEY_FILE"]).read_text("ascii").strip()

    def database_url(self, _role: str, /) -> str:
        """As whoever the environment says; it has to be able to read."""
        return self.environment["COUPON_DATABASE_URL"]
