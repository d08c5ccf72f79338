"""Options of the test run. Its fixtures are plugins: the modules of tests/support."""

import os

import pytest

from stack.java import OPTIONS_VARIABLE

# Most Java programs of a run live for a minute: the second compiler takes more than it gives.
os.environ.setdefault(OPTIONS_VARIABLE, "-XX:TieredStopAtLevel=1")

# They import each other; what is asserted in them shall be explained all the same.
pytest.register_assert_rewrite("tests.support")

pytest_plugins = [
    "tests.support.api",
    "tests.support.api_codes",
    "tests.support.chromium",
    "tests.support.collector",
    "tests.support.databases",
    "tests.support.gate",
    "tests.support.handling",
    "tests.support.kinds",
    "tests.support.ledger",
    "tests.support.previous_version",
    "tests.support.registry",
    "tests.support.rooms",
    "tests.support.servers",
    "tests.support.workers",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--seed",
        type=int,
        help="of the random fault test: which faults when; by default another one each time",
    )
    parser.addoption(
        "--cluster",
        action="store_true",
        help="also kill each container of the cluster overlay in turn: some ten minutes, 4 GiB",
    )
    parser.addoption(
        "--kubernetes",
        action="store_true",
        help="first build what the chart is tested with, an API server of Kubernetes too, unless it"
        " is in the cache: a quarter of an hour",
    )
    parser.addoption(
        "--screenshots",
        action="store_true",
        help="write the pictures of the monitor's page into docs/figures again",
    )
    parser.addoption(
        "--stack",
        metavar="FOLDER",
        help="run pipeline tests on the stack with this state folder, which runs already",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Builds before the workers start, and outside of the time limit of a test."""
    if config.getoption("--kubernetes") and not hasattr(config, "workerinput"):
        from tests.chart import tools

        tools.make_tools(tools.tools_folder())
        tools.make_servers(tools.servers_folder())
