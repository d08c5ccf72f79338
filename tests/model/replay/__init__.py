"""Random ways through the model of the protocol, taken by the real code on the real servers."""

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in ("actors", "world", "seen")))
