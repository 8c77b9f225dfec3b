"""Waits for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable

_LONGEST_SECONDS = 120  # a busy machine takes its time; what takes longer does not come


def wait_until(happened: Callable[[], object]) -> None:
    """Return once it has happened; fail if it does not."""
    deadline = time.monotonic() + _LONGEST_SECONDS
    while not happened():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
