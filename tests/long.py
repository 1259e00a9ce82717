"""Values of tests that run long: the same mechanism again for another value."""

from typing import Any

import pytest


def long(*values: Any) -> Any:
    """Values of one case of a parametrised test, for `make test-long` alone."""
    return pytest.param(*values, marks=pytest.mark.long)
