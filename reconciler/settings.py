"""Settings of the reconciler process."""

from typing import Self

from pydantic import Field, model_validator

from coupons.process.settings import ProcessSettings, WebUrl


class ReconcilerSettings(ProcessSettings):
    """What the reconciler reads from COUPON_* environment variables."""

    reconciler_host: str = Field(
        default="127.0.0.1", description="Address that /healthz and /metrics listen on"
    )
    reconciler_port: int = Field(
        default=9200, ge=1, le=65535, description="Port of /healthz and /metrics"
    )
    connect_url: WebUrl | None = Field(
        default=None,
        description="Kafka Connect's REST API, to restart a failed task; unset: not watched;"
        " with TLS, `https://user:password@host:port?ca_file=FILE`",
    )
    reconciler_interval_seconds: float = Field(
        default=1.0, gt=0, description="Pause between two passes, in seconds"
    )
    reconciler_takeover_seconds: float = Field(
        default=30.0,
        ge=1,
        description="Silence, in seconds, after which Postgres ends the active reconciler's session"
        " and another one takes over; longer than COUPON_RECONCILER_INTERVAL_SECONDS",
    )
    reconciler_compare_every_minutes: float = Field(
        default=60.0,
        ge=0,
        description="How often each coupon is compared request by request even though its counts"
        " agree, in minutes; 0: only when they do not",
    )
    reconciler_pending_after_seconds: float = Field(
        default=10.0,
        ge=1,
        description="Age, in seconds, from which a pending request is checked; longer than"
        " COUPON_API_UNKNOWN_OUTCOME_SECONDS",
    )

    @model_validator(mode="after")
    def _takeover_is_longer(self) -> Self:
        if self.reconciler_takeover_seconds <= self.reconciler_interval_seconds:
            raise ValueError(
                "COUPON_RECONCILER_TAKEOVER_SECONDS must be longer than"
                f" COUPON_RECONCILER_INTERVAL_SECONDS ({self.reconciler_interval_seconds:g}):"
                " between two passes the active reconciler sends nothing to Postgres"
            )
        return self
