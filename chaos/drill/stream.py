"""States of the change stream."""

from chaos.drill.site import SOON_SECONDS, Site
from chaos.drill.state import State
from connectors.lifecycle import CONNECTOR_NAME, resume_connector, stop_connector
from connectors.slot import SLOT, drop_slot, make_slot
from coupons.change_events import REQUEST_TOPIC
from coupons.ledger.connection import connect_ledger
from coupons.waiting import eventually
from operations.doctor.findings import Section

_RECOVER = ("coupon connector recover",)
_LITTLE_WAL = "'128MB'"
_WAL_MEGABYTES = 90
"""Above 60 % of it, where the alert fires, and below 100 %, where the slot is lost."""


def _drop_publication(site: Site) -> None:
    site.run_as_superuser("DROP PUBLICATION coupon_cdc")


def _drop_slot(site: Site, made_again: bool = False) -> None:
    stop_connector(site.connect, CONNECTOR_NAME)
    with connect_ledger(site.stack.database_url("cdc"), "drill") as connection:
        drop_slot(connection)
        if made_again:
            site.claim()
            make_slot(connection)
    resume_connector(site.connect, CONNECTOR_NAME)


def _delete_connector(site: Site) -> None:
    site.connect.call("DELETE", f"/connectors/{CONNECTOR_NAME}")


def _break_connector(site: Site) -> None:
    path = f"/connectors/{CONNECTOR_NAME}/config"
    config = site.connect.call("GET", path)
    assert config is not None
    site.connect.call("PUT", path, {**config, "publication.name": "not_there"})


def _make_the_stream_wait(site: Site) -> None:
    site.set_postgres("synchronized_standby_slots", "'nobody'")


def _write_much_wal(site: Site) -> None:
    stop_connector(site.connect, CONNECTOR_NAME)
    site.set_postgres("max_slot_wal_keep_size", _LITTLE_WAL)
    site.run_as_superuser(
        "SELECT pg_logical_emit_message(false, 'drill', repeat('x', 1000000))"
        f" FROM generate_series(1, {_WAL_MEGABYTES})"
    )


def _keep_records_badly(site: Site) -> None:
    site.set_topic(REQUEST_TOPIC, "cleanup.policy", "compact")
    site.set_topic(REQUEST_TOPIC, "retention.ms", "60000")


def _leave_a_gap(site: Site) -> None:
    """Somebody changes the publication and corrects it by hand."""
    tables = "ALTER PUBLICATION coupon_cdc SET TABLE cdc_heartbeat"
    site.run_as_superuser(tables)
    site.claim()
    site.run_as_superuser(f"{tables}, coupon_issue_request")
    eventually(lambda: site.is_found("young requests"), SOON_SECONDS, "the gap is found")


STREAM = (
    State(
        Section.PUBLICATION,
        (Section.PUBLICATION,),
        "there is no publication",
        "the publication was dropped",
        _drop_publication,
        ("CouponHeartbeatOld",),
        _RECOVER,
    ),
    State(
        Section.SLOT_LOST,
        (Section.SLOT_LOST,),
        f"there is no replication slot {SLOT}",
        "the slot was dropped",
        _drop_slot,
        ("CouponSlotLost",),
        _RECOVER,
    ),
    State(
        Section.OFFSETS,
        (Section.OFFSETS,),
        "slot",
        "the slot was dropped and made again, with requests in between",
        lambda site: _drop_slot(site, made_again=True),
        ("CouponConnectorTaskFailed",),
        _RECOVER,
    ),
    State(
        Section.CONNECTOR_MISSING,
        (Section.CONNECTOR_MISSING,),
        "there is no connector",
        "the connector was deleted",
        _delete_connector,
        ("CouponConnectorNotRunning",),
        _RECOVER,
    ),
    State(
        Section.CONNECTOR_HELD,
        (Section.CONNECTOR_HELD,),
        "somebody paused it",
        "the connector was paused",
        lambda site: site.order_connector("pause"),
        ("CouponConnectorNotRunning",),
        _RECOVER,
    ),
    State(
        Section.WAL_GROWS,
        (Section.CONNECTOR_HELD, Section.SLOT_INACTIVE, Section.WAL_GROWS),
        "above the limit the slot is lost",
        "the connector was stopped, and much WAL was written with max_slot_wal_keep_size = 128MB",
        _write_much_wal,
        ("CouponConnectorNotRunning", "CouponSlotInactive", "CouponWalNearLimit"),
        (
            "coupon sql --as superuser \"ALTER SYSTEM SET max_slot_wal_keep_size = '8GB'\""
            ' "SELECT pg_reload_conf()"',
            *_RECOVER,
        ),
    ),
    State(
        Section.CONNECTOR_FAILED,
        (Section.CONNECTOR_FAILED,),
        "it FAILED",
        "the connector was given the name of a publication that does not exist",
        _break_connector,
        ("CouponConnectorTaskFailed",),
        _RECOVER,
    ),
    State(
        Section.STREAM_WAITS,
        (Section.STREAM_WAITS, Section.STALE),
        "the change stream sends nothing",
        "synchronized_standby_slots was set to a slot that does not exist",
        _make_the_stream_wait,
        ("CouponHeartbeatOld",),
        (
            "coupon sql --as superuser \"ALTER SYSTEM SET synchronized_standby_slots = ''\""
            ' "SELECT pg_reload_conf()"',
        ),
    ),
    State(
        Section.TOPICS,
        (Section.TOPICS,),
        "cleanup.policy",
        "the request topic was set to be compacted, and to keep records for a minute",
        _keep_records_badly,
        (),  # nothing is wrong yet that a metric shows
        ("coupon topics --mend",),
    ),
    State(
        Section.NOT_FINAL,
        (Section.NOT_FINAL,),
        "were passed over",
        "the publication was changed and corrected, and the requests in between were not streamed",
        _leave_a_gap,
        ("CouponRequestsNotFinal",),
        ("coupon connector recover --emit",),
    ),
)
