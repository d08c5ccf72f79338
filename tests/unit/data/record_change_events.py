"""Records change_events.json from a running stack, with its connector: real bytes, real schemas.

    eval "$(coupon env)"; python tests/unit/data/record_change_events.py

Writes rows at the edges of what a request may be, and keeps what Debezium makes of them: key and
value as they lie in Kafka (hexadecimal), the writer schemas that they name, and the rows.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

import psycopg
import requests
from confluent_kafka import Consumer

TOPICS = ["coupon.public.coupon_issue_request", "coupon.public.cdc_heartbeat"]
ROWS = [
    (576460752303423487, 9223372036854775807, "2026-11-22T12:00:00.123456Z"),
    (576460752303423487, 1, "2026-11-22T12:00:00Z"),
    (576460752303423487, 2, "1999-12-31T23:59:59.5Z"),
    (576460752303423487, 3, "2040-02-29T00:00:00.000001Z"),
]


def main() -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": os.environ["COUPON_KAFKA_BOOTSTRAP_SERVERS"],
            "group.id": f"recorder-{time.time_ns()}",
            "auto.offset.reset": "earliest",
            "topic.metadata.refresh.interval.ms": 500,
        }
    )
    consumer.subscribe(TOPICS)
    write_rows()
    records = read_records(consumer)
    consumer.close()
    ids = {int.from_bytes(bytes.fromhex(record["value"])[1:5], "big") for record in records}
    recorded = {"schemas": {str(each): read_schema(each) for each in ids}, "records": records}
    Path(__file__).with_name("change_events.json").write_text(json.dumps(recorded, indent=1) + "\n")


def write_rows() -> None:
    with psycopg.connect(os.environ["COUPON_DATABASE_URL"]) as connection:
        connection.execute(
            "INSERT INTO coupon (coupon_id, name, total_quantity) VALUES (%s, 'recorded', 10)"
            " ON CONFLICT DO NOTHING",
            [ROWS[0][0]],
        )
        connection.cursor().executemany(
            "INSERT INTO coupon_issue_request (coupon_id, user_id, requested_at)"
            " VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            ROWS,
        )


def read_records(consumer: Consumer) -> list[dict[str, Any]]:
    """The record of each row, found by its ids as Avro writes them, and that of a heartbeat."""
    wanted = {zigzag(row[0]) + zigzag(row[1]): row for row in ROWS}
    found: dict[bytes | None, dict[str, Any]] = {}
    while len(found) < len(ROWS) + 1:
        message = consumer.poll(30)
        assert message is not None, "not every record came"
        value = message.value() or b""
        ids = next((ids for ids in wanted if ids in value), None)
        if ids or message.topic() == TOPICS[1]:
            found[ids] = {
                "topic": message.topic(),
                "key": (message.key() or b"").hex(),
                "value": value.hex(),
                "row": ids and wanted[ids],
            }
    return list(found.values())


def zigzag(number: int) -> bytes:
    number = number << 1
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def read_schema(schema_id: int) -> Any:
    url = f"{os.environ['COUPON_SCHEMA_REGISTRY_URL']}/schemas/ids/{schema_id}"
    return json.loads(requests.get(url, timeout=10).json()["schema"])


if __name__ == "__main__":
    main()
