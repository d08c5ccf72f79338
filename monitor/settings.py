"""Settings of the monitor process."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from coupons.change_events.kafka_admin import GROUP
from coupons.kafka.client import KafkaClient
from coupons.kafka.security import KafkaSecurity
from coupons.links.urls import check_web_url
from coupons.process.settings import DatabaseUrl, WebUrl, split_list
from coupons.process.token_keys import TokenSettings
from coupons.sign_in_links import SHORTEST_KEY

MOST_ENDPOINTS = 50
"""Of one kind: each has a thread."""


def _check_urls(urls: SecretStr) -> SecretStr:
    listed = split_list(urls.get_secret_value())
    if len(listed) > MOST_ENDPOINTS:
        raise ValueError(f"{len(listed)} addresses are more than {MOST_ENDPOINTS}")
    for url in listed:
        check_web_url(url)
    return urls


def _check_disks(disks: str) -> str:
    for each in split_list(disks):
        part, _, folder = each.partition("=")
        if not part or not Path(folder).is_absolute():
            raise ValueError(f"{each!r} is not PART=/FOLDER")
    return disks


WebUrls = Annotated[SecretStr, AfterValidator(_check_urls)]
NOWHERE = SecretStr("")


class MonitorSettings(KafkaSecurity, TokenSettings):
    """What the monitor reads from COUPON_* environment variables."""

    monitor_host: str = Field(
        default="127.0.0.1",
        description="Address that /metrics, /state.json and /healthz of the monitor listen on",
    )
    monitor_port: int = Field(
        default=9400, ge=1, le=65535, description="Port of the monitor's /metrics and the rest"
    )
    monitor_interval_seconds: float = Field(
        default=2.0, ge=0.5, le=60, description="From one refresh of a source to the next, seconds"
    )
    monitor_timeout_seconds: float = Field(
        default=1.5,
        gt=0,
        description="Silence of a source, in seconds, after which what it tells is unknown; at most"
        " COUPON_MONITOR_INTERVAL_SECONDS",
    )
    kafka_bootstrap_servers: str = Field(
        min_length=1, description="Kafka brokers to ask first, as host:port,host:port"
    )
    consumer_group: str = Field(
        default=GROUP, min_length=1, description="Kafka consumer group of the consumers"
    )
    schema_registry_url: WebUrl | None = Field(
        default=None,
        description="Schema registry, as for the consumer; unset: not watched, and dead letters"
        " that the consumer could not read count as open",
    )
    connect_url: WebUrl | None = Field(
        default=None, description="Kafka Connect's REST API; unset: not watched"
    )
    api_management_url: WebUrls = Field(
        default=NOWHERE,
        description="Management addresses of the APIs (http://host:port), several with a comma in"
        " between; unset: not watched",
    )
    consumer_urls: WebUrls = Field(
        default=NOWHERE,
        description="Where the consumers answer /healthz, several with a comma in between; unset:"
        " not watched",
    )
    reconciler_urls: WebUrls = Field(
        default=NOWHERE,
        description="Where the reconcilers answer /healthz, several with a comma in between; unset:"
        " not watched",
    )
    monitor_disks: Annotated[str, AfterValidator(_check_disks)] = Field(
        default="",
        description="Disks that the monitor can see, as PART=/FOLDER, several with a comma in"
        " between; unset: none",
    )

    monitor_link_key: SecretStr | None = Field(
        default=None,
        min_length=SHORTEST_KEY,
        description="Key of the links that `coupon monitor` prints to sign in to the page; at least"
        f" {SHORTEST_KEY} characters; unset: nobody signs in by a link",
    )
    monitor_page_hosts: str = Field(
        default="",
        description="Names, besides those of this machine, under which browsers reach the page,"
        " several with a comma in between; it then needs HTTPS in front of it",
    )
    monitor_operator_database_url: DatabaseUrl | None = Field(
        default=None,
        description="Postgres as the role coupon_ops, for what the page asks and does for somebody"
        " who is signed in; unset: the monitor's own role, which may read less and act on nothing",
    )

    monitor_state_dir: Path | None = Field(
        default=None,
        description="State folder of the embedded stack that the monitor is a part of, for the"
        " page: its doctor checks that stack, and what it says to type names it; unset: the system"
        " runs elsewhere",
    )

    @model_validator(mode="after")
    def _timeout_is_shorter(self) -> Self:
        if self.monitor_timeout_seconds > self.monitor_interval_seconds:
            raise ValueError(
                f"COUPON_MONITOR_TIMEOUT_SECONDS ({self.monitor_timeout_seconds:g}) must be at most"
                f" COUPON_MONITOR_INTERVAL_SECONDS ({self.monitor_interval_seconds:g})"
            )
        return self

    @property
    def kafka(self) -> KafkaClient:
        """Where Kafka is, and how the link is secured."""
        return self.client(self.kafka_bootstrap_servers)

    @property
    def disks(self) -> dict[str, Path]:
        """The folder of each part whose disk is watched."""
        pairs = [each.partition("=") for each in split_list(self.monitor_disks)]
        return {part: Path(folder) for part, _, folder in pairs}
