"""The events for other services: what became of an issued coupon, as CloudEvents 1.0 names it."""

from typing import Any, NamedTuple

from coupons.change_events.registry import SchemaRegistry
from coupons.change_events.topics import event_schema
from coupons.change_events.wire_format import read_record, schema_id_of
from coupons.errors import UndecodableEvent
from coupons.ids import request_id_text

SOURCE = "urn:coupon-cdc:ledger"
TYPE_PREFIX = "coupon-cdc.coupon."
_KINDS = {
    ("active", "used"): "used",
    ("used", "active"): "use-cancelled",
    ("used", "expired"): "use-cancelled-and-expired",
    ("active", "expired"): "expired",
    ("active", "revoked"): "revoked",
}


class CouponEvent(NamedTuple):
    """One event. number: 0 when the coupon was issued, then that of the change.

    kind: issued, used, use-cancelled, expired, use-cancelled-and-expired, revoked. at: RFC 3339.
    """

    user_id: int
    coupon_id: int
    number: int
    kind: str
    at: str
    by: str | None = None
    order_reference: str | None = None
    reason: str | None = None

    def as_cloud_event(self) -> dict[str, Any]:
        """The event in the JSON format of CloudEvents 1.0; ids are text, as in the API."""
        issued_coupon_id = request_id_text(self.coupon_id, self.user_id)
        data = {
            "issued_coupon_id": issued_coupon_id,
            "coupon_id": str(self.coupon_id),
            "user_id": str(self.user_id),
            "number": self.number,
        }
        more = {"by": self.by, "order_reference": self.order_reference, "reason": self.reason}
        return {
            "specversion": "1.0",
            "id": f"{issued_coupon_id}/{self.number}",
            "source": SOURCE,
            "type": TYPE_PREFIX + self.kind,
            "subject": issued_coupon_id,
            "time": self.at,
            "datacontenttype": "application/json",
            "data": data | {name: value for name, value in more.items() if value is not None},
        }


def decode_coupon_event(registry: SchemaRegistry, value: bytes | None) -> CouponEvent:
    """The event of a record's value.

    Raises UndecodableEvent, and SchemaRegistryUnavailable when its schema is not known yet and the
    registry does not answer.
    """
    writer = registry.writer_schema(schema_id_of(value))
    assert value is not None
    table = str(writer["name"]).split(".")[-2] if "." in writer["name"] else ""
    try:
        schema = event_schema(table)
    except KeyError:
        raise UndecodableEvent(f"its schema {writer['name']} is of no event") from None
    row = read_record(value, writer, schema)
    key = row["user_id"], row["coupon_id"]
    if table == "issued_coupon":
        return CouponEvent(*key, 0, "issued", row["issued_at"])
    kind = _KINDS.get((row["from_state"], row["to_state"]), "changed")
    return CouponEvent(
        *key,
        row["change_number"],
        kind,
        row["changed_at"],
        row["changed_by"],
        row["order_reference"],
        row["reason"],
    )
