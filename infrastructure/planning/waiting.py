"""Wait for AWS to finish what it was asked to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from infrastructure.errors import RetryableError

T = TypeVar("T")
# New roles, policies and keys are known everywhere after seconds as a rule, and after minutes at worst. AWS gives no
# bound; Terraform's provider waits two minutes for IAM alone and five for what Lambda checks.
PROPAGATION_SECONDS = 300
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 5.0


_interrupted = threading.Event()


def pause(seconds: float) -> None:
    """Sleep; raises RetryableError at once if the run is interrupted."""
    if _interrupted.wait(seconds):
        raise RetryableError("waiting", "was interrupted", "Repeat the command; it resumes.")


def interrupt() -> None:
    """End all pauses, present and future: an interrupted command must not wait minutes for a stream."""
    _interrupted.set()


def resume() -> None:
    """Let pauses last again, after an interrupt."""
    _interrupted.clear()


def wait_until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Return once the condition holds, asking with growing pauses. Raises RetryableError after this many seconds."""
    deadline = time.monotonic() + seconds
    length = _FIRST_PAUSE_SECONDS
    while not condition():
        if time.monotonic() >= deadline:
            raise RetryableError(what, f"is not ready after {seconds:.0f} s", "Repeat the command; it resumes.")
        pause(length)
        length = min(length * 2, _LONGEST_PAUSE_SECONDS)


def retry_while(passing: Callable[[Exception], bool], call: Callable[[], T], seconds: float) -> T:
    """The call's value, tried again while its error is expected to pass, e.g. a new role that is not known everywhere
    yet.

    After this many seconds the last error is raised.
    """
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
