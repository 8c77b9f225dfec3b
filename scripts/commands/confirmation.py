"""Asks a person before a change that is hard to take back. Without a terminal nothing is asked."""

from __future__ import annotations

import sys

from infrastructure.errors import PlatformError


def confirm_destroy(environment: str, named: str | None, yes: bool) -> None:
    """Raises PlatformError unless the environment was named, or, but for prod, yes was said at a terminal."""
    todo = f"Repeat the command with --confirm {environment}."
    if named is None:
        if not sys.stdin.isatty():
            what = f"{environment} is destroyed only by name, and there is no terminal to ask"
            raise PlatformError("destroy", what, todo)
        if yes and environment != "prod":
            return
        named = _asked("Name the environment to destroy it: ")
    if named != environment:
        raise PlatformError("destroy", f"{named!r} is not this environment; nothing was removed", todo)


def confirm_rebuild(environment: str, named: str | None) -> None:
    """Raises PlatformError unless the environment was named, by the option or at a terminal."""
    todo = f"Repeat the command with --confirm {environment}."
    if named is None:
        if not sys.stdin.isatty():
            what = f"{environment} is made anew only by name, and there is no terminal to ask"
            raise PlatformError("rebuild", what, todo)
        named = _asked("Name the environment to empty its tables and warehouse: ")
    if named != environment:
        raise PlatformError("rebuild", f"{named!r} is not this environment; nothing was changed", todo)


def confirm_apply(environment: str, yes: bool) -> None:
    """Ask at a terminal before prod is changed. Raises PlatformError if it is not named."""
    if environment != "prod" or yes or not sys.stdin.isatty():
        return
    named = _asked("Name the environment to change it: ")
    if named != environment:
        raise PlatformError("apply", f"{named!r} is not this environment; nothing was changed", "Repeat with --yes.")


def confirm_erase(account: str, yes: bool) -> None:
    """Ask for the account at a terminal. Raises PlatformError if another one is named, or nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise PlatformError("erase", "can't be taken back, and there is no terminal to ask", "Repeat with --yes.")
    if _asked("Type the account again to erase it: ") != account:
        raise PlatformError("erase", "was not confirmed; nothing was changed", "Type the very same account.")


def _asked(question: str) -> str:
    try:
        return input(question).strip()
    except EOFError:
        return ""
