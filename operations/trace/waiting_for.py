"""What a stage waits for: the connector, or the consumers."""

import os

from connectors.stream_state import read_stream_health
from coupons.change_events.kafka_admin import GROUP, KafkaAdmin
from coupons.endpoints import Endpoints
from coupons.errors import CouponError
from operations.doctor.findings import Level
from operations.doctor.health import check_consumers
from operations.doctor.kafka import consumer_finding
from operations.doctor.system import find_system


def says_of_connector(where: Endpoints) -> str:
    """The state of the connector and of the newest heartbeat."""
    return f"waits for the connector: {read_stream_health(where)}"


def says_of_consumers(where: Endpoints) -> str:
    """The state of the consumer group, and of each consumer that is not well."""
    group = os.environ.get("COUPON_CONSUMER_GROUP", GROUP)
    try:
        found = [consumer_finding(KafkaAdmin(where.kafka_client(), group).consuming())]
        found += [each for each in check_consumers(find_system(where)) if each.level in _BAD]
    except CouponError as error:
        return f"waits for a consumer; its state is unknown: {error}"
    return "waits for a consumer: " + "; ".join(finding.says for finding in found)


_BAD = (Level.FAILING, Level.WARNING)
