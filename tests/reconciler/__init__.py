"""Tests of the reconciler, and of what operators repair."""

import pytest

pytest.register_assert_rewrite("tests.reconciler.erasures")
