"""A stack on which a state is caused: people who claim on it, and an operator."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from random import Random
from typing import Any

import psycopg
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from chaos.callers import Caller, Callers
from chaos.drill.operator import Operator
from chaos.faults.catalogue import all_faults
from chaos.faults.fault import Fault, FaultContext
from chaos.history import History, Response
from chaos.target import Target
from connectors.connect import Connect
from connectors.lifecycle import CONNECTOR_NAME
from coupons.waiting import eventually
from stack.disposable import DisposableStack
from stack.endpoints import database_url
from stack.options import existing

SOON_SECONDS = 60
CLAIMS = 10
MANY = 100_000
THREADS = 4
PAUSE_SECONDS = 0.5
FIRST_USER = 1_000_000_000
"""Of the claims that are made one by one. The people of `claiming` are numbered from 1."""


class Site:
    """The stack, a coupon with room for everybody, people who claim it, and an operator."""

    def __init__(self, stack: DisposableStack) -> None:
        self.stack = stack
        self.operator = Operator(stack)
        self.target = Target(stack)
        self.connect = Connect(stack.environment["COUPON_CONNECT_URL"])
        self._address = stack.environment["COUPON_API_URL"], stack.folder.secret("jwt.key")
        with closing(Caller(*self._address)) as caller:
            self.coupon_id = caller.create_coupon(MANY)
        context = FaultContext(self.target, History(), self.coupon_id, Random(0))
        self.faults: Mapping[str, Fault] = all_faults(context)
        self._next_user = FIRST_USER
        self._accepted: set[int] = set()
        self._people: list[History] = []
        self._sessions: list[psycopg.Connection[Any]] = []

    def close(self) -> None:
        """End what the site has open; the stack stays as it is."""
        self.end_sessions()
        self.target.close()

    def try_claim(self) -> Response:
        """One person claims, on a connection of their own."""
        self._next_user += 1
        with closing(Caller(*self._address)) as caller:
            return caller.claim(self.coupon_id, self._next_user)

    def claim(self, count: int = CLAIMS) -> None:
        """So many people claim, each of them is answered 202."""
        for _ in range(count):
            answer = self.try_claim()
            assert answer.status == 202, answer
            self._accepted.add(answer.user_id)

    @contextmanager
    def claiming(self) -> Iterator[None]:
        """People claim while the block runs, whatever they are answered."""
        self._people.append(History())
        callers = Callers(
            self._address, self._people[-1], {self.coupon_id: 1}, "drill", PAUSE_SECONDS
        )
        with callers.claiming(THREADS):
            yield

    def run_as_superuser(
        self, statement: str, database: str = "coupon"
    ) -> list[tuple[object, ...]]:
        ports = existing(self.stack.folder).ports
        url = database_url(self.stack.folder, ports, "postgres", database)
        with closing(psycopg.connect(url, autocommit=True)) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def set_postgres(self, setting: str, value: str) -> None:
        """Change a setting of the server, as an operator would."""
        self.run_as_superuser(f"ALTER SYSTEM SET {setting} = {value}")
        self.run_as_superuser("SELECT pg_reload_conf()")

    def reset_postgres(self, setting: str) -> None:
        """Undo `set_postgres`."""
        self.run_as_superuser(f"ALTER SYSTEM RESET {setting}")
        self.run_as_superuser("SELECT pg_reload_conf()")

    def set_topic(self, topic: str, setting: str, value: str) -> None:
        servers = self.stack.environment["COUPON_KAFKA_BOOTSTRAP_SERVERS"]
        entry = ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        admin = AdminClient({"bootstrap.servers": servers})
        [done] = admin.incremental_alter_configs([resource]).values()
        done.result(SOON_SECONDS)

    def order_connector(self, order: str) -> None:
        """PUT an order to the connector, such as pause."""
        self.connect.call("PUT", f"/connectors/{CONNECTOR_NAME}/{order}")

    def open_session(self, role: str, *statements: str) -> psycopg.Connection[Any]:
        """A session of Postgres that stays open until it is ended; with no transaction of ours."""
        session = psycopg.connect(self.stack.database_url(role), autocommit=True)
        self._sessions.append(session)
        for statement in statements:
            session.execute(statement.encode())
        return session

    def end_sessions(self) -> None:
        """End those that nobody ended."""
        while self._sessions:
            with suppress(psycopg.Error):
                self._sessions.pop().close()

    def is_found(self, check: str) -> bool:
        return check in {each["check"] for each in self.operator.ill()}

    def assert_all_issued(self) -> None:
        """Whoever has been accepted until now, one by one or in `claiming`, soon has a coupon."""
        claims = (each for people in self._people for each in people.responses)
        accepted = self._accepted | {each.user_id for each in claims if each.accepted}
        assert accepted, "somebody was accepted"

        def all_issued() -> bool:
            issued = f"SELECT user_id FROM issued_coupon WHERE coupon_id = {self.coupon_id}"
            missing = sorted(accepted - {user_id for (user_id,) in self.run_as_superuser(issued)})
            assert not missing, f"accepted, and not issued: users {missing}"
            return True

        eventually(all_issued, SOON_SECONDS)

    def assert_well(self) -> None:
        """Everything that was accepted is issued, everything adds up, and claiming works."""
        self.claim(1)
        done = self.operator.type("coupon verify --wait 60")
        assert done.returncode == 0, done.stdout + done.stderr
        self.assert_all_issued()
        eventually(self.operator.is_all_ok, SOON_SECONDS, "all is well")
