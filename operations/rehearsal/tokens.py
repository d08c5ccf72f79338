"""Tokens of synthetic users: signed with the shared secret, or with a key of rehearsals alone."""

import os
from collections.abc import Callable
from pathlib import Path

import requests

from coupons.endpoints import API_URL, Endpoints, token_key
from coupons.errors import ConfigurationError
from coupons.ids import FIRST_REHEARSAL_ID, REHEARSAL_GROUP
from coupons.links.web import WebService
from coupons.receipts import ALGORITHM, load_signing_keys
from coupons.tokens import AUDIENCE, ISSUE, REHEARSAL_ISSUER, mint_token

TOKEN_SECONDS = 7_200
_ANSWER_TIMEOUT_SECONDS = 5.0

Mint = Callable[[int], str]
"""Makes the token of a synthetic user."""


def minting(where: Endpoints, key_file: Path | None) -> Mint:
    """Makes tokens with the private key in the file; None: with the shared secret.

    Raises ConfigurationError when the key cannot be read.
    """
    if key_file is None:
        secret = token_key(where)

        def mint_shared(user_id: int) -> str:
            return mint_token(secret, user_id, [ISSUE], TOKEN_SECONDS, groups=[REHEARSAL_GROUP])

        return mint_shared
    try:
        keys = load_signing_keys(key_file)
    except ValueError as error:
        raise ConfigurationError(
            f"{key_file} holds no key of rehearsals. Make one with `coupon rehearse key`"
        ) from error
    audience = os.environ.get("COUPON_JWT_AUDIENCE", AUDIENCE)
    key, key_id = keys.signs, keys.kid

    def mint(user_id: int) -> str:
        return mint_token(
            key,
            user_id,
            [ISSUE],
            TOKEN_SECONDS,
            groups=[REHEARSAL_GROUP],
            algorithm=ALGORITHM,
            issuer=REHEARSAL_ISSUER,
            audience=audience,
            key_id=key_id,
        )

    return mint


def check_tokens(where: Endpoints, key_file: Path | None) -> None:
    """See that the API accepts the tokens, before anything is made.

    Raises ConfigurationError when it refuses them, or as `minting` does. An API that does not
    answer is none of its errors: the rehearsal itself says so.
    """
    service = WebService(where[API_URL])
    service.session.headers["Authorization"] = (
        f"Bearer {minting(where, key_file)(FIRST_REHEARSAL_ID)}"
    )
    try:
        answer = service.request("GET", "/users/me/coupons", _ANSWER_TIMEOUT_SECONDS)
    except requests.RequestException:
        return
    if answer.status_code == requests.codes.unauthorized:
        raise ConfigurationError(
            "the API refuses the tokens of synthetic users. With --key, its COUPON_JWT_KEY_SETS"
            " needs the entry coupon-rehearsal=FILE with the public key; without, it has to have"
            " the same COUPON_JWT_KEY_FILE. COUPON_JWT_AUDIENCE has to be the same for the command"
            " and the API"
        )
