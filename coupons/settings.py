"""Settings of a process: one typed class each, filled from COUPON_* environment variables only."""

from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from coupons.errors import ConfigurationError
from coupons.gate.sentinels import SCHEMES, parse_sentinel_url

PREFIX = "COUPON_"


def _with_scheme(*schemes: str) -> AfterValidator:
    def check(url: SecretStr) -> SecretStr:
        parts = urlsplit(url.get_secret_value())
        if parts.scheme not in schemes or not (parts.netloc or parts.path):
            raise ValueError(f"expected a URL that starts with {schemes[0]}://")
        return url

    return AfterValidator(check)


def _check_sentinels(url: SecretStr) -> SecretStr:
    parse_sentinel_url(url.get_secret_value())
    return url


class ProcessSettings(BaseSettings):
    """What every process of the project needs; each has a subclass of its own.

    Field `database_url` is environment variable COUPON_DATABASE_URL, and so on. Every field has a
    description that names its unit: docs/configuration.md is made from them.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    database_url: Annotated[SecretStr, _with_scheme("postgresql", "postgres")] = Field(
        description="Postgres of the ledger, as a URL with the role and password of this process"
        " (postgresql://role:password@host:port/database; with standbys"
        " postgresql://role:password@host,host/database?target_session_attrs=read-write)",
    )
    redis_url: Annotated[
        SecretStr,
        _with_scheme("redis", "rediss", "unix", *SCHEMES),
        AfterValidator(_check_sentinels),
    ] = Field(
        description="Redis of the gate, as a URL (redis://[user:password@]host:port/number), or its"
        " sentinels (redis+sentinel://[user:password@]host:port,host:port/number?service=name)",
    )
    log_level: str = Field(
        default="INFO",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="Least severe log lines written: DEBUG, INFO, WARNING or ERROR",
    )


Settings = TypeVar("Settings", bound=BaseSettings)


def load_settings(kind: type[Settings]) -> Settings:
    """Fill a settings class from the environment.

    Raises ConfigurationError naming every variable that is missing or wrong, what it holds (unless
    it is a secret) and what is expected.
    """
    try:
        return kind()
    except ValidationError as error:
        complaints = [_complaint(kind, detail) for detail in error.errors(include_url=False)]
        raise ConfigurationError("\n".join(complaints)) from None


def variable_of(field: str) -> str:
    """Name of the environment variable that fills a field."""
    return f"{PREFIX}{field}".upper()


def describe_settings(kind: type[BaseSettings]) -> str:
    """Every variable of a settings class with its default and meaning, for --help."""
    return "\n".join(
        f"{variable_of(name)}{_default(field)}\n    {field.description}"
        for name, field in kind.model_fields.items()
    )


def _default(field: FieldInfo) -> str:
    return " (needed)" if field.is_required() else f" (default {field.default})"


def _complaint(kind: type[BaseSettings], detail: ErrorDetails) -> str:
    if not detail["loc"]:  # a check across several fields
        return detail["msg"].removeprefix("Value error, ")
    field = str(detail["loc"][0])
    expected = kind.model_fields[field].description
    if detail["type"] == "missing":
        return f"{variable_of(field)} is not set; it holds: {expected}"
    held = _shown(kind, field, detail["input"])
    complaint = detail["msg"].removeprefix("Value error, ")
    return f"{variable_of(field)} is {held}: {complaint}; it holds: {expected}"


def _shown(kind: type[BaseSettings], field: str, value: Any) -> str:
    secret = kind.model_fields[field].annotation is SecretStr
    return f"a secret of {len(str(value))} characters" if secret else repr(value)
