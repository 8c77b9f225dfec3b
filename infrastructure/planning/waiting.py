"""Wait for AWS to finish what it was asked to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from infrastructure.errors import RetryableError

T = TypeVar("T")
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 5.0


_interrupted = threading.Event()


def pause(seconds: float) -> None:
    """Sleep; raises RetryableError at once where an interrupt ends the run."""
    if _interrupted.wait(seconds):
        raise RetryableError("waiting", "was interrupted", "Repeat the command; it resumes.")


def interrupt() -> None:
    """End every pause, those to come too: an interrupted command must not wait minutes for a stream."""
    _interrupted.set()


def resume() -> None:
    """Let pauses be pauses again."""
    _interrupted.clear()


def wait_until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Return once the condition holds, asking with growing pauses. Raises RetryableError after so many seconds."""
    deadline = time.monotonic() + seconds
    length = _FIRST_PAUSE_SECONDS
    while not condition():
        if time.monotonic() >= deadline:
            raise RetryableError(what, f"is not ready after {seconds:.0f} s", "Repeat the command; it resumes.")
        pause(length)
        length = min(length * 2, _LONGEST_PAUSE_SECONDS)


def retry_while(passing: Callable[[Exception], bool], call: Callable[[], T], seconds: float) -> T:
    """The call's value, tried again while its error is a passing one (a new role that is not known everywhere yet, a
    queue name that is still being released). The last error stands after so many seconds."""
    deadline = time.monotonic() + seconds
    length = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return call()
        except Exception as error:
            if not passing(error) or time.monotonic() >= deadline:
                raise
        pause(length)
        length = min(length * 2, _LONGEST_PAUSE_SECONDS)
