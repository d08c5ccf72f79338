"""The five servers of the embedded stack as parts, for one state folder and its ports."""

from collections.abc import Mapping
from pathlib import Path

from stack.folder import StateFolder
from stack.parts import Part
from stack.ports import HOST
from stack.servers.connect import connect_part
from stack.servers.kafka import kafka_part
from stack.servers.postgres import postgres_part
from stack.servers.registry import registry_part
from stack.servers.valkey import valkey_part


def server_parts(
    folder: StateFolder, bundles: Mapping[str, Path], ports: Mapping[str, int]
) -> list[Part]:
    """The five servers. bundles: the folders of `ensure_bundles`."""
    connector_variables = {
        "COUPON_CDC_DATABASE_HOST": HOST,
        "COUPON_CDC_DATABASE_PORT": str(ports["postgres"]),
        "COUPON_CDC_DATABASE_NAME": "coupon",
        "COUPON_CDC_DATABASE_USER": "coupon_cdc",
        "COUPON_CDC_DATABASE_PASSWORD": folder.secret("coupon_cdc"),
        "COUPON_CDC_DATABASE_SSLMODE": "prefer",
        "COUPON_CDC_DATABASE_SSLROOTCERT": "",
        "COUPON_CDC_REGISTRY_URL": f"http://{HOST}:{ports['registry']}/apis/registry/v2",
    }
    return [
        postgres_part(folder, bundles["postgres"], ports["postgres"]),
        valkey_part(folder, ports["valkey"]),
        kafka_part(folder, bundles["kafka"], ports["kafka"], ports["kafka-controller"]),
        registry_part(
            folder,
            bundles["registry"],
            ports["registry"],
            ports["registry-management"],
            ports["postgres"],
        ),
        connect_part(folder, bundles, ports["connect"], ports["kafka"], connector_variables),
    ]
