"""The reference of the settings, from the settings classes of the processes."""

import re
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from api.settings import ApiSettings
from cdc_consumer.settings import ConsumerSettings
from coupons.kafka.security import KafkaSecurity
from coupons.process.settings import ProcessSettings, is_secret, variable_of
from monitor.settings import MonitorSettings
from reconciler.settings import ReconcilerSettings

PROCESSES: dict[str, type[BaseSettings]] = {
    "Every process": ProcessSettings,
    "The link to Kafka (consumer, monitor, and what `coupon` does on Kafka)": KafkaSecurity,
    "API (`python -m api`)": ApiSettings,
    "Consumer (`python -m cdc_consumer`)": ConsumerSettings,
    "Reconciler (`python -m reconciler`)": ReconcilerSettings,
    "Monitor (`python -m monitor`)": MonitorSettings,
}

ENV_EXAMPLE = Path(__file__).parents[2] / "compose" / ".env.example"

RUN_MARK = "COUPON_STACK_RUN"
"""No setting: the embedded stack marks the processes of one start with it."""

SHARED: tuple[type[BaseSettings], ...] = (ProcessSettings, KafkaSecurity)

HEAD = """# Settings

Every process reads its settings from environment variables, and only from there. A variable that is
missing or wrong stops the process at once, with exit code 2 and a line that names it. `coupon env`
prints the addresses of a running stack under these names. A setting without a default is optional.
A variable whose name begins with `COUPON_` and that nothing of the project reads is ignored; each
process logs a warning that names it as it starts, and its new name if it was renamed.

A setting that holds a URL may come from a file instead: `COUPON_DATABASE_URL_FILE` names a file
that holds what `COUPON_DATABASE_URL` would, and so on. How each link is secured:
[Secure each link](../how-to/secure.md).

*Generated from the settings classes by `make docs`. A test compares the two.*
"""

TAIL = """
## The connector (in the environment of Kafka Connect)

`connectors/coupon-cdc.json` takes hosts and secrets from here, through Connect's
`EnvVarConfigProvider`, so that the same file serves everywhere.

| variable | holds |
| --- | --- |
| `COUPON_CDC_DATABASE_HOST` | Host of Postgres |
| `COUPON_CDC_DATABASE_PORT` | Its TCP port |
| `COUPON_CDC_DATABASE_NAME` | The ledger's database |
| `COUPON_CDC_DATABASE_USER` | The role with REPLICATION: `coupon_cdc` |
| `COUPON_CDC_DATABASE_PASSWORD` | Its password |
| `COUPON_CDC_DATABASE_SSLMODE` | `prefer`, or with TLS `verify-full` |
| `COUPON_CDC_DATABASE_SSLROOTCERT` | With `verify-full`, file of the CA certificates in PEM where Connect runs; else empty |
| `COUPON_CDC_REGISTRY_URL` | Schema registry, the root of Apicurio's own API (http://host:port/apis/registry/v2) |

## The embedded stack and the `coupon` command

Ports and the number of consumers are options of `coupon up`, remembered in the state folder.

Commands that work on a running system (`verify`, `rush`, `token`, `connector` and others) find it
in this order: by `--state`; by the addresses in the environment, as soon as one of them is set; in
the default state folder. So the same command serves any stack. The addresses are `COUPON_API_URL`,
`COUPON_API_MANAGEMENT_URL`, `COUPON_DATABASE_URL`, `COUPON_REDIS_URL`,
`COUPON_KAFKA_BOOTSTRAP_SERVERS`, `COUPON_SCHEMA_REGISTRY_URL`, `COUPON_CONNECT_URL`,
`COUPON_MONITOR_URL`, and for tokens `COUPON_JWT_KEY_FILE`.

| variable | default | holds |
| --- | --- | --- |
| `COUPON_STATE_DIR` | `.coupon` in the project | State folder of the stack that `coupon` works on |
| `COUPON_CACHE_DIR` | `coupon-cdc` in the user's cache folder | Where the servers are downloaded to |
| `COUPON_MAVEN_MIRROR` | | Maven repository to download from, for a network with a mirror of its own |
| `COUPON_VALKEY_SERVER` | the packaged one | Program to run as Redis-compatible server |
| `COUPON_POSTGRES_USER` | `postgres`, else `nobody` | Operating-system user that Postgres runs as when the stack is started by root |
| `COUPON_SUPERUSER_URL` | | Postgres server as superuser, for `coupon migrate` |
| `COUPON_PASSWORDS_DIR` | | Folder with one password file for each role, named after it: for `coupon migrate`, and for commands that take `COUPON_DATABASE_URL` from the environment, each as its own role |
| `JAVA_HOME` | the packaged Java | Used where there is no packaged Java: version 21 or newer |
| `COUPON_JAVA_OPTIONS` | | More options of Java for Kafka, Connect and the registry, with spaces in between. `-XX:TieredStopAtLevel=1` starts them with less work, and is slower under full load |
| `COUPON_OPERATOR` | the login name | Who replays or discards dead letters, or signs in to the page |
| `COUPON_API_URL` | | Root of the API, for commands that call it |
| `COUPON_TOKEN` | | Bearer token, for `coupon client`; `--token-file` names a file of it instead |
| `COUPON_CONSUMER_URLS` | | Where consumers answer `/healthz`, for `coupon doctor` on a stack that is known by its addresses: http://host:port, several with a comma in between |
| `COUPON_MONITOR_URL` | | Root of the monitor, as `coupon env` prints it, for `coupon monitor` and `coupon top` |
| `COUPON_MONITOR_PAGE_URL` | that of the monitor | Root of the monitor for browsers, when they reach it by another address; `coupon monitor` prints it |
| `COUPON_MONITOR_LINK_KEY_FILE` | | File of the key that the monitor takes links of, for `coupon monitor` |
| `COUPON_CONNECT_URL` | | Kafka Connect's REST API, for `coupon connector` and the like |
"""


def render() -> str:
    """The page."""
    sections = []
    for title, settings in PROCESSES.items():
        inherited = {
            name for shared in SHARED if settings is not shared for name in shared.model_fields
        }
        fields = {name: f for name, f in settings.model_fields.items() if name not in inherited}
        rows = [
            f"| `{variable_of(name)}` | {_default(field.default)} | {field.description} |"
            for name, field in fields.items()
        ]
        head = [f"\n## {title}\n", "| variable | default | holds |", "| --- | --- | --- |"]
        sections.append("\n".join([*head, *rows]) + "\n")
    return HEAD + "".join(sections) + TAIL


def render_variables() -> str:
    """Every variable that something of the project reads, a line each."""
    documented = re.findall(r"`(COUPON_[A-Z0-9_]+)`", render())
    of_compose = re.findall(
        r"^#?(COUPON_[A-Z0-9_]+)=", ENV_EXAMPLE.read_text("utf-8"), re.MULTILINE
    )
    secret_files = [
        f"{variable_of(name)}_FILE"
        for settings in PROCESSES.values()
        for name, field in settings.model_fields.items()
        if is_secret(field)
    ]
    names = {RUN_MARK, *documented, *of_compose, *secret_files}
    return "".join(f"{name}\n" for name in sorted(names))


def _default(value: Any) -> str:
    if value is None:
        return ""
    return "required" if value is PydanticUndefined else f"`{value}`"
