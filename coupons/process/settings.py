"""Settings of a process: one typed class each, filled from COUPON_* environment variables only."""

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar, get_args

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from coupons.errors import ConfigurationError
from coupons.links.certificates import read_secret
from coupons.links.urls import check_database_url, check_redis_url, check_web_url

PREFIX = "COUPON_"


def split_list(text: str) -> list[str]:
    """The entries of a setting that is a list, with commas in between."""
    return [each.strip() for each in text.split(",") if each.strip()]


def _checked(check: Callable[[str], None]) -> AfterValidator:
    def checked(url: SecretStr) -> SecretStr:
        check(url.get_secret_value())
        return url

    return AfterValidator(checked)


DatabaseUrl = Annotated[SecretStr, _checked(check_database_url)]
RedisUrl = Annotated[SecretStr, _checked(check_redis_url)]
WebUrl = Annotated[SecretStr, _checked(check_web_url)]


class ProcessSettings(BaseSettings):
    """The settings of every process; each process has a subclass of its own.

    Field `database_url` is environment variable COUPON_DATABASE_URL, and so on. A secret may come
    from a file instead, named by the variable with _FILE at its end. Every field has a description
    that names its unit: docs/reference/settings.md is made from them.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    database_url: DatabaseUrl = Field(
        description="Postgres of the ledger, as a URL with the role and password of this process"
        " (postgresql://role:password@host:port/database); with standbys, name all servers"
        " (`host,host`) and add `?target_session_attrs=read-write`; with TLS, add"
        " `?sslmode=verify-full&sslrootcert=FILE`",
    )
    redis_url: RedisUrl = Field(
        description="Redis of the gate, as a URL (redis://[user:password@]host:port/number), or its"
        " sentinels (redis+sentinel://[user:password@]host:port,host:port/number?service=NAME);"
        " with TLS, `rediss` instead of `redis`, and `ssl_ca_certs=FILE`",
    )
    log_level: str = Field(
        default="INFO",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="Least severe log lines written: DEBUG, INFO, WARNING or ERROR",
    )
    log_requests: bool = Field(
        default=False,
        description="Whether API and consumer log the ids of each request that they accept, issue,"
        " reject and mark, at level INFO; what fails or is repaired is always logged with its ids",
    )
    trace_sample_ratio: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Ratio of the requests whose spans are exported, 0 to 1; 0: tracing is off; the"
        " same for API, consumers and reconciler",
    )
    trace_endpoint: WebUrl | None = Field(
        default=None,
        description="OpenTelemetry collector that takes the spans, the root of its OTLP/HTTP"
        " (http://host:4318; `/v1/traces` is added); with TLS,"
        " `https://user:password@host:port?ca_file=FILE`",
    )

    @model_validator(mode="after")
    def _traces_can_be_exported(self) -> Self:
        if self.trace_sample_ratio and self.trace_endpoint is None:
            raise ValueError(
                "COUPON_TRACE_SAMPLE_RATIO needs COUPON_TRACE_ENDPOINT: set it, or set the ratio"
                " to 0"
            )
        if self.trace_sample_ratio and not _has_exporter():
            raise ValueError(
                "COUPON_TRACE_SAMPLE_RATIO needs packages that are not installed: install the"
                " extra `trace` (pip install '.[trace]'), or set the ratio to 0"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, and the files of secrets that it names."""
        return init_settings, env_settings, _SecretFiles(settings_cls)


def _has_exporter() -> bool:
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads secret settings from the files that COUPON_..._FILE names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = variable_of(field_name)
        named = os.environ.get(f"{variable}_FILE") if is_secret(field) else None
        if not named:
            return None, field_name, False
        if variable in os.environ:
            raise ConfigurationError(f"{variable} and {variable}_FILE are both set: unset one")
        try:
            return read_secret(Path(named)), field_name, False
        except ValueError as error:
            raise ConfigurationError(f"{variable}_FILE: {error}") from error

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields.items()
        found = {name: self.get_field_value(field, name)[0] for name, field in fields}
        return {name: value for name, value in found.items() if value is not None}


Settings = TypeVar("Settings", bound=BaseSettings)


def load_settings(kind: type[Settings]) -> Settings:
    """Fill a settings class from the environment.

    Raises ConfigurationError that names every variable that is missing or wrong, its value (unless
    it is a secret) and what is expected.
    """
    try:
        return kind()
    except ValidationError as error:
        complaints = [_complaint(kind, detail) for detail in error.errors(include_url=False)]
        raise ConfigurationError("\n".join(complaints)) from None


def is_secret(field: FieldInfo) -> bool:
    """Whether a setting is never shown, and may come from a file."""
    return SecretStr in (field.annotation, *get_args(field.annotation)) or any(
        SecretStr in get_args(each) for each in get_args(field.annotation)
    )


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
    if is_secret(kind.model_fields[field]):
        return f"a secret of {len(str(value))} characters"
    return repr(value)
