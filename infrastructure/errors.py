"""The one error base: every failure that a user can cause or fix says where, what, and what to do."""

from __future__ import annotations


class PlatformError(Exception):
    """A failure with a remedy. Shown without a traceback; the command exits 1.

    where: the file, resource or stage; what: the fault, free of secrets and card numbers; todo: what the user can do.
    """

    def __init__(self, where: str, what: str, todo: str) -> None:
        super().__init__(f"{where}: {what}. {todo}")
        self.where = where
        self.what = what
        self.todo = todo


class RetryableError(PlatformError):
    """A fault that may pass by itself (throttling, a 5xx, a lost connection); the same work may be tried again."""
