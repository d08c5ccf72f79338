"""What goes wrong: each fault can be caused and healed, and says what it is in one sentence."""

import random
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import redis

from chaos.history import History
from chaos.second_consumer import SecondConsumer
from chaos.site import APPLICATIONS, SERVERS, Site
from chaos.writing import write_garbage, write_one_large_insert
from connectors.connect import Connect
from connectors.lifecycle import CONNECTOR_NAME
from coupons.errors import ConnectorError
from coupons.waiting import eventually

BREAKS = 12
"""Requests or answers in a row that a broken network loses."""
BEYOND = (1.04, 3.0)
"""31 to 90 seconds of a session of 30."""


def nothing() -> None:
    """Heals what passes by itself."""


@dataclass(frozen=True)
class Fault:
    """name: as tables show it. sentence: what happens, to an operator. lasting: whether it goes on
    until it is healed; otherwise it is over at once. sessions: as long as that many sessions of a
    consumer, at least and at most; None: as long as its incident lasts.
    """

    name: str
    sentence: str
    cause: Callable[[], None]
    heal: Callable[[], None] = nothing
    lasting: bool = True
    sessions: tuple[float, float] | None = None


@dataclass(frozen=True)
class Ground:
    """Where faults happen. coupon_id: one with room for everybody, for a fault's own claims."""

    site: Site
    history: History
    coupon_id: int
    rng: random.Random


def all_faults(ground: Ground) -> dict[str, Fault]:
    """By name, always in the same order."""
    site = ground.site
    faults = [_killed(site, part) for part in (*SERVERS, *APPLICATIONS)]
    faults += [_paused(site, part) for part in (*SERVERS, *APPLICATIONS)]
    faults += _of_api_workers(ground)
    faults += _of_redis(site)
    faults += _of_networks(site)
    faults += _of_postgres(site)
    faults += _of_the_connector(ground)
    faults += _of_the_group(site)
    faults += _beyond_the_session(site)
    faults += _of_the_topic(ground)
    return {fault.name: fault for fault in faults}


def _killed(site: Site, part: str) -> Fault:
    sentence = f"{part} is killed with all its processes, and started again"
    return Fault(f"kill {part}", sentence, lambda: site.kill(part), lambda: site.start(part))


def _paused(site: Site, part: str) -> Fault:
    sentence = f"{part} stops in its tracks (SIGSTOP), and goes on later"
    return Fault(f"pause {part}", sentence, lambda: site.pause(part), lambda: site.resume(part))


def _of_api_workers(ground: Ground) -> list[Fault]:
    paused: list[psutil.Process] = []

    def some_worker() -> psutil.Process:
        workers = ground.site.api_workers()
        assert workers, "the API has no workers"
        return ground.rng.choice(workers)

    def kill() -> None:
        some_worker().kill()

    def pause() -> None:
        paused.append(some_worker())
        paused[-1].send_signal(signal.SIGSTOP)

    def resume() -> None:
        while paused:
            with suppress(psutil.NoSuchProcess):
                paused.pop().send_signal(signal.SIGCONT)

    return [
        Fault("kill api worker", "one worker of the API is killed", kill, lasting=False),
        Fault("pause api worker", "one worker of the API stops in its tracks", pause, resume),
    ]


def _of_redis(site: Site) -> list[Fault]:
    def client() -> redis.Redis:
        return site.gate().client

    folder = site.folder.path / "valkey"
    older = site.folder.path / "valkey-older"

    def flush() -> None:
        client().flushall()

    def flush_scripts() -> None:
        client().script_flush()

    def scripts_run() -> int:
        return int(client().info("commandstats")["cmdstat_evalsha"]["calls"])

    def put_older_back() -> None:
        _copy_moving_folder(folder, older)
        at_copy = scripts_run()
        eventually(lambda: scripts_run() > at_copy + 20, 60, "it is ahead of its copy")
        site.kill("valkey")
        shutil.rmtree(folder)
        older.rename(folder)

    return [
        Fault("redis flushed", "somebody types FLUSHALL", flush, lasting=False),
        Fault(
            "scripts flushed",
            "Redis forgets its scripts (SCRIPT FLUSH)",
            flush_scripts,
            lasting=False,
        ),
        Fault(
            "redis restored",
            "Redis comes back from an older copy",
            put_older_back,
            lambda: site.start("valkey"),
        ),
    ]


def _copy_moving_folder(source: Path, target: Path) -> None:
    """Copy the append-only files while they are written to."""
    for _ in range(10):
        shutil.rmtree(target, ignore_errors=True)
        with suppress(shutil.Error, FileNotFoundError):
            shutil.copytree(source, target)
            return
    raise AssertionError(f"{source} cannot be copied")


def _of_networks(site: Site) -> list[Fault]:
    ways = {
        "api to postgres": site.api_to_postgres,
        "api to redis": site.api_to_redis,
        "consumer to postgres": site.consumer_to_postgres,
        "consumer to redis": site.consumer_to_redis,
    }
    faults = []
    for way, link in ways.items():
        faults += [
            Fault(f"cut {way}", f"connections from {way} are cut", link.cut, link.mend),
            Fault(
                f"lose answers {way}",
                f"connections from {way} break just as answers come: what was done is not told",
                lambda link=link: link.break_next(BREAKS, "answers"),  # type: ignore[misc]
                link.mend,
            ),
            Fault(
                f"lose requests {way}",
                f"connections from {way} break just as requests go: nothing was done",
                lambda link=link: link.break_next(BREAKS, "requests"),  # type: ignore[misc]
                link.mend,
            ),
            Fault(f"silence {way}", f"no answer comes back from {way}", link.silence, link.mend),
        ]
    return faults


def _of_postgres(site: Site) -> list[Fault]:
    def terminate() -> None:
        with site.superuser() as database:
            database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type <> 'background worker'"
                " AND usename IS NOT NULL"
            )

    sentence = "every connection to Postgres is terminated, that of the slot too"
    return [Fault("backends terminated", sentence, terminate, lasting=False)]


def _of_the_connector(ground: Ground) -> list[Fault]:
    site = ground.site
    connect = Connect(site.where["COUPON_CONNECT_URL"])

    def order(path: str) -> None:
        # Connect answers with an error while it rebalances; the order counts all the same.
        with suppress(ConnectorError):
            connect.call("POST", f"/connectors/{CONNECTOR_NAME}/{path}")

    def restart_in_batch() -> None:
        write_one_large_insert(site, ground.history, ground.coupon_id)
        order("tasks/0/restart")

    def kill_in_batch() -> None:
        write_one_large_insert(site, ground.history, ground.coupon_id)
        site.kill("connect")

    return [
        Fault(
            "connector restarted",
            "an operator restarts the connector and its task",
            lambda: order("restart?includeTasks=true"),
            lasting=False,
        ),
        Fault(
            "task restarted in a batch",
            "the connector's task is restarted while it streams one large INSERT",
            restart_in_batch,
            lasting=False,
        ),
        Fault(
            "connect killed in a batch",
            "Connect is killed while it streams one large INSERT",
            kill_in_batch,
            lambda: site.start("connect"),
        ),
    ]


def _of_the_group(site: Site) -> list[Fault]:
    second = SecondConsumer(site)
    sentence = "a second consumer joins the group, and leaves it again"
    return [Fault("rebalance", sentence, second.join, second.leave)]


def _beyond_the_session(site: Site) -> list[Fault]:
    """What stands still for longer than Kafka waits for a consumer, and then goes on."""
    second = SecondConsumer(site)
    everything = (*SERVERS, *APPLICATIONS)

    def stop_dynamic() -> None:
        second.join()
        second.await_partitions()
        second.stop()

    def go_on_and_leave() -> None:
        second.go_on()
        second.leave()

    return [
        Fault(
            "stop consumer-1 beyond its session",
            "the consumer, a static member, stands still until its partitions are given away",
            lambda: site.pause("consumer-1"),
            lambda: site.resume("consumer-1"),
            sessions=BEYOND,
        ),
        Fault(
            "stop dynamic consumer beyond its session",
            "a second consumer, a dynamic member, stands still until its partitions are given away",
            stop_dynamic,
            go_on_and_leave,
            sessions=BEYOND,
        ),
        Fault(
            "stop everything beyond the session",
            "the machine stands still: every process stops for longer than a consumer's session",
            lambda: site.pause(*everything),
            lambda: site.resume(*everything),
            sessions=BEYOND,
        ),
    ]


def _of_the_topic(ground: Ground) -> list[Fault]:
    sentence = "garbage, truncated records and unknown schemas are on the request topic"
    return [
        Fault(
            "garbage",
            sentence,
            lambda: write_garbage(ground.site, ground.history, ground.rng),
            lasting=False,
        )
    ]
