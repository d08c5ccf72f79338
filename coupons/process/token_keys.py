"""The keys of bearer tokens: their settings, and the verifier that these describe."""

from pathlib import Path
from typing import Annotated, Literal, Self

from jwt.exceptions import InvalidKeyError, PyJWTError
from pydantic import AfterValidator, Field, SecretStr, model_validator

from coupons.errors import ConfigurationError
from coupons.process.bearer import OneKeyVerifier, TokenVerifier
from coupons.process.settings import ProcessSettings
from coupons.tokens import AUDIENCE, ISSUER

SHORTEST_SECRET_BYTES = 32
MOST_ISSUERS = 16
"""Each has a thread."""


def key_sources(listed: SecretStr) -> dict[str, str]:
    """The file or URL of each issuer. Raises ValueError."""
    found: dict[str, str] = {}
    for entry in listed.get_secret_value().split(","):
        issuer, _, source = (part.strip() for part in entry.partition("="))
        if not issuer or not source:
            raise ValueError("each entry must be ISSUER=FILE or ISSUER=URL")
        if issuer in found:
            raise ValueError(f"the issuer {issuer} is in it twice")
        found[issuer] = source
    if len(found) > MOST_ISSUERS:
        raise ValueError(f"it has more than {MOST_ISSUERS} issuers")
    return found


def _check_sources(listed: SecretStr) -> SecretStr:
    from coupons.links.key_sets import check_source  # takes long, and one key is the usual way

    for source in key_sources(listed).values():
        check_source(source)
    return listed


class TokenSettings(ProcessSettings):
    """How a process verifies bearer tokens: by one key in a file, or by the key sets of issuers."""

    jwt_key_file: Path | None = Field(
        default=None,
        description="File of the key that bearer tokens are verified with: the shared secret"
        " (HS256, at least 32 bytes) or the public key in PEM. The API needs it, or"
        " COUPON_JWT_KEY_SETS; without either, nobody signs in to the monitor's page with a token",
    )
    jwt_algorithm: Literal["HS256", "RS256", "ES256", "EdDSA"] = Field(
        default="HS256",
        description="The one algorithm of the key in COUPON_JWT_KEY_FILE: HS256, RS256, ES256 or"
        " EdDSA",
    )
    jwt_issuer: str = Field(
        default=ISSUER,
        description="Issuer (iss) that tokens must have with COUPON_JWT_KEY_FILE",
    )
    jwt_key_sets: Annotated[SecretStr, AfterValidator(_check_sources)] | None = Field(
        default=None,
        description="Key sets (JWKS) that bearer tokens are verified with, instead of"
        " COUPON_JWT_KEY_FILE: ISSUER=FILE or ISSUER=URL, several with a comma in between;"
        " RS256, ES256 and EdDSA, by the key that the `kid` of a token names",
    )
    jwt_keys_refresh_seconds: float = Field(
        default=300.0,
        ge=5,
        le=86_400,
        description="From one reading of a key set to the next, in seconds: so long a key that was"
        " removed is still accepted. An unknown `kid` makes it read at once, every 10 s at most",
    )
    jwt_keys_max_age_seconds: float = Field(
        default=86_400.0,
        ge=60,
        le=2_592_000,
        description="How long the last keys stay valid while their key set cannot be read, in"
        " seconds; then tokens get 503. At least twice COUPON_JWT_KEYS_REFRESH_SECONDS",
    )
    jwt_audience: str = Field(default=AUDIENCE, description="Audience (aud) that tokens must have")
    jwt_leeway_seconds: float = Field(
        default=5.0,
        ge=0,
        le=300,
        description="How far the clock of the tokens' issuer may differ from this machine's, in"
        " seconds: for exp, nbf and iat",
    )

    @property
    def takes_tokens(self) -> bool:
        """Whether there are keys of tokens."""
        return self.jwt_key_file is not None or self.jwt_key_sets is not None

    @model_validator(mode="after")
    def _one_kind_of_keys(self) -> Self:
        if self.jwt_key_file is not None and self.jwt_key_sets is not None:
            raise ValueError("COUPON_JWT_KEY_FILE and COUPON_JWT_KEY_SETS are both set: unset one")
        if self.jwt_keys_max_age_seconds < 2 * self.jwt_keys_refresh_seconds:
            raise ValueError(
                f"COUPON_JWT_KEYS_MAX_AGE_SECONDS ({self.jwt_keys_max_age_seconds:g}) must be at"
                f" least twice COUPON_JWT_KEYS_REFRESH_SECONDS ({self.jwt_keys_refresh_seconds:g})"
            )
        return self


def load_verifier(settings: TokenSettings) -> TokenVerifier:
    """A verifier by the settings, which must name keys; close it after use.

    Key sets are read before it returns, or after seconds later. Raises ConfigurationError when the
    key of a file cannot be used.
    """
    if settings.jwt_key_sets is not None:
        from coupons.process.rotating_keys import KeySetVerifier

        return KeySetVerifier(
            key_sources(settings.jwt_key_sets),
            settings.jwt_audience,
            settings.jwt_leeway_seconds,
            settings.jwt_keys_refresh_seconds,
            settings.jwt_keys_max_age_seconds,
        )
    algorithm, key_file = settings.jwt_algorithm, settings.jwt_key_file
    try:
        if key_file is None:
            raise InvalidKeyError("it is not set")
        key = key_file.read_bytes().strip()
        if algorithm == "HS256" and len(key) < SHORTEST_SECRET_BYTES:
            raise InvalidKeyError(f"it has {len(key)} bytes; {SHORTEST_SECRET_BYTES} are required")
        return OneKeyVerifier(
            key,
            algorithm,
            settings.jwt_issuer,
            settings.jwt_audience,
            settings.jwt_leeway_seconds,
        )
    except (OSError, ValueError, TypeError, PyJWTError) as error:
        raise ConfigurationError(
            f"COUPON_JWT_KEY_FILE is {str(key_file)!r}: no key for {algorithm} can be"
            f" read from it: {error}"
        ) from error
