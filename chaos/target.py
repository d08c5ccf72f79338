"""The stack under attack: each of its parts can be killed, paused and started."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import psutil
import psycopg

from cdc_consumer.settings import ConsumerSettings
from chaos.link import Link
from coupons.gate import Gate, connect_gate
from coupons.ledger.roles import DATABASE
from coupons.waiting import eventually
from stack.applications import api_workers
from stack.cache import ensure_bundles
from stack.disposable import DisposableStack
from stack.endpoints import database_url
from stack.options import existing
from stack.parts import Part, clear_leftovers, is_running
from stack.plan import all_parts
from stack.processes import start

HEALTHY_WITHIN_SECONDS = 90.0
GONE_WITHIN_SECONDS = 20.0
CONNECT_SECONDS = 20
"""A server that was just continued, or shares its processor, may take some."""
SHIPPED_SESSION_SECONDS = int(ConsumerSettings.model_fields["consumer_session_seconds"].default)
APPLICATIONS = ("api", "consumer-1", "reconciler")
SERVERS = ("postgres", "valkey", "kafka", "registry", "connect")
"""In the order in which they are started."""
PARTS = (*SERVERS, *APPLICATIONS)
LINKS = ("api to postgres", "api to redis", "consumer to postgres", "consumer to redis")


class Target:
    """A running embedded stack whose API and consumer reach Postgres and Redis through links.

    session_s: the consumers' session in their group, in seconds.
    """

    def __init__(self, stack: DisposableStack, session_s: int = SHIPPED_SESSION_SECONDS) -> None:
        self.stack = stack
        self.session_s = session_s
        self.where = stack.environment
        self.folder = stack.folder
        self._ports = existing(self.folder).ports
        redis = self.where["COUPON_REDIS_URL"]
        urls = (stack.database_url("api"), redis, stack.database_url("consumer"), redis)
        self.links = {name: Link(url) for name, url in zip(LINKS, urls, strict=True)}
        self._settings: dict[str, Mapping[str, str]] = {}
        self._parts = self._read_parts()
        self._stopped: set[str] = set()

    def open(self) -> None:
        """Restart API and consumer with the links."""
        self._settings = {
            "api": {
                "COUPON_DATABASE_URL": self.links["api to postgres"].url,
                "COUPON_REDIS_URL": self.links["api to redis"].url,
            },
            "consumer-1": {
                "COUPON_DATABASE_URL": self.links["consumer to postgres"].url,
                "COUPON_REDIS_URL": self.links["consumer to redis"].url,
                "COUPON_CONSUMER_SESSION_SECONDS": str(self.session_s),
            },
        }
        self._restart_linked()

    def close(self) -> None:
        """Restore the stack: every part runs, and none uses a link.

        A target that was not opened only closes its links.
        """
        if self._settings:
            self.heal()
            self._settings = {}
            self._restart_linked()
        for link in self.links.values():
            link.close()

    def heal(self) -> None:
        """Undo everything that was done to the stack, and wait until every part is healthy."""
        for name in sorted(self._stopped):
            self.resume(name)
        for link in self.links.values():
            link.restore()
        for name in PARTS:
            self.start(name)
            self.await_healthy(name)

    def revive(self) -> set[str]:
        """Start parts that have ended, as a supervisor would; return their names.

        Returns when every server is healthy.
        """
        revived: set[str] = set()
        deadline = time.monotonic() + HEALTHY_WITHIN_SECONDS
        while True:
            dead = {name for name in PARTS if not self.runs(name)}
            for name in sorted(dead, key=PARTS.index):
                self.start(name)
            revived |= dead
            unhealthy = [name for name in SERVERS if not self._parts[name].healthy()]
            if not dead and not unhealthy:
                return revived
            assert time.monotonic() < deadline, (
                f"not healthy within {HEALTHY_WITHIN_SECONDS} s: {unhealthy}"
            )
            time.sleep(0.05)

    def start(self, name: str) -> None:
        """Start a part that does not run, without waiting until it is healthy."""
        files = self.folder.part(name)
        if is_running(files):
            return
        clear_leftovers(files)
        command = self._parts[name].command()
        command = replace(command, env={**command.env, **self._settings.get(name, {})})
        files.save(start(command, files.log, files.exit_file))

    def runs(self, name: str) -> bool:
        """Whether the part's process runs."""
        return is_running(self.folder.part(name))

    def await_healthy(self, name: str) -> None:
        """Return when the part's own health check succeeds."""
        healthy = self._parts[name].healthy
        eventually(healthy, HEALTHY_WITHIN_SECONDS, f"{name} is healthy")

    def kill(self, name: str) -> None:
        """SIGKILL to a part and its descendants."""
        processes = self.processes(name)
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        _, alive = psutil.wait_procs(processes, timeout=GONE_WITHIN_SECONDS)
        assert not alive, f"{name} did not end: {alive}"

    def pause(self, *names: str) -> None:
        """SIGSTOP to parts and their descendants."""
        self._stopped.update(names)
        for process in [each for name in names for each in self.processes(name)]:
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self, *names: str) -> None:
        """SIGCONT to parts and their descendants."""
        self._stopped.difference_update(names)
        for process in [each for name in names for each in self.processes(name)]:
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def processes(self, name: str) -> list[psutil.Process]:
        """The program, then its descendants; without the shell that records its exit status."""
        run = self.folder.part(name).last_run()
        assert run is not None, f"{name} was never started"
        program = run.process()
        found = [program, *program.children(recursive=True)] if program else []
        return found + [
            each for each in run.family() if each not in found and each.pid != run.wrapper
        ]

    def api_workers(self) -> list[psutil.Process]:
        """The worker processes of the API, without their parent."""
        run = self.folder.part("api").last_run()
        main = run.process() if run else None
        return api_workers(main) if main else []

    def gate(self) -> Gate:
        """The gate, without a link."""
        return connect_gate(self.where["COUPON_REDIS_URL"])

    def superuser(self) -> "psycopg.Connection[tuple[object, ...]]":
        """The coupon database as its superuser."""
        url = database_url(self.folder, self._ports, "postgres", DATABASE)
        return psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS)

    def _read_parts(self) -> dict[str, Part]:
        bundles = ensure_bundles(lambda *_: None)
        return {part.name: part for part in all_parts(self.folder, existing(self.folder), bundles)}

    def _restart_linked(self) -> None:
        names = ("api", "consumer-1")
        self.stack.stop(*names)
        for name in names:
            self.start(name)
        for name in names:
            self.await_healthy(name)
