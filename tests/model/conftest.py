"""The programs of the protocol's models, compiled once for the run."""

import pytest

from tests.model.protocol.programs import COMPILERS, Programs, compiler


@pytest.fixture(scope="session")
def protocol(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    found = compiler()
    if found is None:
        pytest.skip(f"no C++ compiler is there ({', '.join(COMPILERS)}) to build the models with")
    return Programs(found, tmp_path_factory.mktemp("protocol"))
