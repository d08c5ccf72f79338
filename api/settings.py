"""Settings of the API process."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from api.client_addresses import parse_networks
from api.cross_origin import check_origins
from api.quotas import parse_quota
from coupons.links.certificates import check_key_pair
from coupons.process.settings import split_list
from coupons.process.token_keys import TokenSettings
from coupons.receipts import ISSUER, load_signing_keys


def _checked_origins(text: str) -> str:
    check_origins(split_list(text))
    return text


def _checked_networks(text: str) -> str:
    parse_networks(split_list(text))
    return text


def _checked_quota(text: str) -> str:
    if text:
        parse_quota(text)
    return text


def _check_receipt_keys(file: Path) -> Path:
    load_signing_keys(file)
    return file


class ApiSettings(TokenSettings):
    """The settings of the API. "A worker" is one of its processes."""

    api_host: str = Field(default="127.0.0.1", description="Address that the API listens on")
    api_port: int = Field(
        default=8080, ge=1, le=65535, description="TCP port that the API listens on"
    )
    api_management_host: str = Field(
        default="127.0.0.1",
        description="Address that /readyz and /metrics listen on; it is for operators, not for the"
        " public",
    )
    api_management_port: int = Field(
        default=9300, ge=1, le=65535, description="TCP port of /readyz and /metrics"
    )
    api_workers: int = Field(default=2, ge=1, le=64, description="Worker processes of the API")
    api_threads: int = Field(
        default=64,
        ge=1,
        le=1024,
        description="Requests per worker that may ask Postgres or Redis at once, besides claims;"
        " when a server hangs, each takes up to 4 s",
    )
    api_max_waiters: int = Field(
        default=4_000,
        ge=0,
        le=50_000,
        description="Long polls per worker that wait at once; one more evicts the oldest",
    )
    api_max_streams: int = Field(
        default=500,
        ge=0,
        le=10_000,
        description="Event streams per worker that are open at once; one more gets 503",
    )
    api_max_connections: int = Field(
        default=4096,
        ge=1,
        le=65_536,
        description="Open client connections per worker; further ones wait in the kernel's queue,"
        " unanswered, until one closes",
    )
    api_max_body_bytes: int = Field(
        default=16_384, ge=256, le=1_048_576, description="Largest request body, in bytes"
    )
    api_body_seconds: float = Field(
        default=5.0,
        gt=0,
        le=300,
        description="Longest time for a request's body to arrive, in seconds; then 408",
    )
    api_upload_bytes: int = Field(
        default=67_108_864,
        ge=1_024,
        le=1_073_741_824,
        description="Largest file of codes in one upload, in bytes; a million codes of 64"
        " characters",
    )
    api_upload_seconds: float = Field(
        default=300.0,
        gt=0,
        le=3_600,
        description="Longest time for an upload to arrive and be written, in seconds, and"
        " COUPON_API_BODY_SECONDS for each 64 KiB of it; then 408",
    )
    api_idle_seconds: float = Field(
        default=30.0,
        ge=1,
        le=3_600,
        description="Longest time for a connection to send the head of its next request, in"
        " seconds; then it is closed",
    )
    api_drain_seconds: float = Field(
        default=0.0,
        ge=0,
        le=60,
        description="How long the API still takes requests after SIGTERM, in seconds; /readyz no"
        " longer answers then, so that a load balancer sends new ones elsewhere",
    )
    api_origins: Annotated[str, AfterValidator(_checked_origins)] = Field(
        default="",
        description="Origins whose pages may call the API from a browser (CORS), with commas in"
        " between, such as https://shop.example; `*`: every page; empty: none",
    )
    api_claims_per_user: Annotated[str, AfterValidator(_checked_quota)] = Field(
        default="",
        description="Most claims of one user in a time, over all API processes, such as 20/minute"
        " or 5 per 10 seconds; then 429; empty: no limit",
    )
    api_claims_per_address: Annotated[str, AfterValidator(_checked_quota)] = Field(
        default="",
        description="Most claims from one IPv4 address, or one IPv6 network of 64 bits, in a time,"
        " such as 600/minute; then 429; empty: no limit",
    )
    api_trusted_proxies: Annotated[str, AfterValidator(_checked_networks)] = Field(
        default="",
        description="Addresses and networks of the proxies in front of the API, with commas in"
        " between, such as 10.0.0.0/8; only what they add to X-Forwarded-For is believed; empty:"
        " clients connect directly",
    )
    api_batch_size: int = Field(
        default=500,
        ge=1,
        le=5_000,
        description="Most claims, or changes of issued coupons, that are written together; 1 turns"
        " group commit off",
    )
    api_batches_in_flight: int = Field(
        default=1,
        ge=1,
        le=128,
        description="Batches of claims written at once per worker, each over its own Postgres"
        " connection",
    )
    api_read_connections: int = Field(
        default=4, ge=1, le=128, description="Most Postgres connections per worker for reads"
    )
    api_claim_deadline_seconds: float = Field(
        default=4.0,
        gt=0,
        le=60,
        description="Longest that a claim, or a change of an issued coupon, waits for its batch to"
        " be written, in seconds, half of it in the queue; then 503",
    )
    api_full_after_seconds: float = Field(
        default=0.5,
        gt=0,
        le=60,
        description="Overload: when a full batch waits, of 500 claims at least, and its first claim"
        " for longer than this, in seconds, further claims get 503 at once, until the queue is"
        " shorter; changes of issued coupons alike",
    )
    api_unknown_outcome_seconds: float = Field(
        default=2.0,
        ge=0,
        le=60,
        description="How long a write whose outcome is unknown is repeated, in seconds; then 503",
    )
    api_certificate_file: Path | None = Field(
        default=None,
        description="Certificate in PEM, with its chain, to serve HTTPS with; unset: HTTP, for use"
        " behind a proxy",
    )
    api_key_file: Path | None = Field(
        default=None, description="Key of that certificate in PEM, without a password"
    )
    api_log_keeps_days: float = Field(
        default=14.0,
        ge=0,
        le=36_500,
        description="How long Kafka keeps a record of the request topic or the events, in days:"
        " retention.ms and segment.ms together; the proof of a user's erasure says so",
    )
    receipt_key_file: Annotated[Path, AfterValidator(_check_receipt_keys)] | None = Field(
        default=None,
        description="File of the Ed25519 keys of receipts in PEM, as `coupon receipt key FILE`"
        " makes them: the first signs, all are published; unset: there are no receipts",
    )
    receipt_issuer: str = Field(
        default=ISSUER,
        min_length=1,
        max_length=200,
        description="Issuer (iss) that receipts have",
    )
    receipt_seconds: int = Field(
        default=300,
        ge=5,
        le=86_400,
        description="How long a receipt is valid, in seconds, and never longer than its coupon; so"
        " long a till that is offline may not learn that the coupon was used",
    )

    @model_validator(mode="after")
    def _there_are_keys_of_tokens(self) -> Self:
        if not self.takes_tokens:
            raise ValueError(
                "COUPON_JWT_KEY_FILE is not set; set it, or COUPON_JWT_KEY_SETS: the keys that"
                " bearer tokens are verified with"
            )
        return self

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Self:
        certificate, key = self.api_certificate_file, self.api_key_file
        if certificate is not None and key is not None:
            check_key_pair(certificate, key)
        elif certificate is not None or key is not None:
            raise ValueError(
                "COUPON_API_CERTIFICATE_FILE and COUPON_API_KEY_FILE need each other: set both or"
                " none"
            )
        return self
