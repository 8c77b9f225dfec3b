"""The server process of a PostgreSQL data directory: how it is made, reached, started and stopped."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from infrastructure.errors import PlatformError
from infrastructure.local.redshift.server_account import (
    MAJOR_VERSION,
    account_for,
    directory_outside,
    naming_prefix,
    programs_for,
)

SUPERUSER = "postgres"

_STOP_SECONDS = 60
_MAX_SOCKET_PATH = 100  # sun_path holds 107 bytes on Linux and 103 on macOS
_SERVER_LOG = "server.log"
_CONFIGURATION = """
# The embedded warehouse: one user, one machine.
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 40
timezone = 'UTC'
log_timezone = 'UTC'
jit = off
max_parallel_workers_per_gather = 0
synchronous_commit = off
wal_level = minimal
max_wal_senders = 0
"""
# Waits until our end of its pipe closes, then runs its arguments, which stop the server: the one whose number we wrote,
# not a later one's. A damaged server may not stop in order: then it is made to.
_WATCHDOG = """read -r pid; cat >/dev/null
if [ -z "$pid" ] || [ "$(head -n 1 postmaster.pid 2>/dev/null)" = "$pid" ]; then
    "$@" >/dev/null 2>&1 || "$@" -m immediate >/dev/null 2>&1
fi"""


class Server:
    """What a data directory needs to be served: its user, its socket's directory, its processes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._account = account_for(directory)
        self._programs = programs_for(self._account)
        self._prefix: list[str] = []
        self.socket_directory = directory

    def program(self, name: str) -> Path:
        """One of PostgreSQL's programs."""
        return self._programs / name

    def prepare(self) -> None:
        """Make the data directory if it is missing; check it if it is there."""
        version_file = self.directory / "PG_VERSION"
        try:
            occupied = self.directory.exists() and any(self.directory.iterdir())
            version = version_file.read_text().strip() if version_file.exists() else ""
        except OSError as error:
            raise _unusable(self.directory, error) from None
        if occupied and not version:
            raise PlatformError(
                str(self.directory), "is neither empty nor a PostgreSQL data directory", "Choose another directory"
            )
        if version and version != MAJOR_VERSION:
            raise PlatformError(
                str(self.directory),
                f"is a data directory of PostgreSQL {version}; the embedded warehouse is {MAJOR_VERSION}",
                "Choose another directory, or open this one with its own version",
            )
        if not version:
            self._initialise()
        self.directory = self.directory.resolve()  # past the link to a directory outside
        if not self._reach(self.directory):
            raise self._unreachable(self.directory)
        self.socket_directory = self._choose_socket_directory()

    def _initialise(self) -> None:
        """initdb beside its place, then rename: a kill leaves no half-made data directory."""
        try:
            fresh = self._make_beside()
            if not self._reach(fresh):
                fresh.rmdir()
                fresh = directory_outside(self._account)
        except OSError as error:
            raise _unusable(self.directory, error) from None
        if not self._reach(fresh):
            raise self._unreachable(fresh)
        self._run(
            [
                *naming_prefix(self._account),
                self.program("initdb"), "-D", ".", "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8",
                # Byte order, as Redshift sorts; the same on every machine.
                "--locale=C", "--no-sync", "--no-instructions",
            ],
            "can't initialise the data directory",
            within=fresh,
        )  # fmt: skip
        with (fresh / "postgresql.conf").open("a") as configuration:
            configuration.write(_CONFIGURATION)
        self._put_in_place(fresh)

    def _make_beside(self) -> Path:
        """A new directory of the server's user beside the place of the data."""
        fresh = self.directory.with_name(self.directory.name + ".new")
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self._account.own(fresh)
        return fresh

    def _put_in_place(self, fresh: Path) -> None:
        """Rename what was made beside its place; link to what was made outside."""
        if self.directory.is_symlink():  # it leads to data that somebody removed
            self.directory.unlink()
        elif self.directory.exists():
            self.directory.rmdir()
        if fresh.parent == self.directory.parent:
            fresh.rename(self.directory)
        else:
            self.directory.symlink_to(fresh)

    def watch(self) -> subprocess.Popen[bytes]:
        """The process that stops the server when we are gone."""
        return subprocess.Popen(
            [*self._prefix, "sh", "-c", _WATCHDOG, "sh", *map(str, self._stop_command)],
            cwd=self.directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # out of reach of the terminal's Ctrl-C, which is ours to handle
            **self._identity(),
        )

    def start(self) -> int:
        """Start the server and wait until it serves; its process's number."""
        options = f"-k {shlex.quote(str(self.socket_directory))}"
        log = self.directory / _SERVER_LOG
        with suppress(OSError):
            log.unlink(missing_ok=True)
        self._run(
            [self.program("pg_ctl"), "start", "-w", "-t", "60", "-s", "-D", ".", "-l", _SERVER_LOG, "-o", options],
            "PostgreSQL does not start",
            log=log,
        )
        self._owner_file.write_text(f"{os.getpid()}\n")
        return int(self._postmaster()[0])

    def owner(self) -> int:
        """The process that runs the server of this directory, 0 if there is none."""
        try:
            owner = int(self._owner_file.read_text())
        except (FileNotFoundError, ValueError):
            return 0
        return owner if self._postmaster() and _is_alive(owner) else 0

    def process(self) -> int:
        """The server's own process, 0 if none runs."""
        lines = self._postmaster()
        return int(lines[0]) if lines else 0

    def find_socket(self) -> None:
        """Where another process's server listens."""
        self.socket_directory = Path(self._postmaster()[4])

    def stop_leftover(self) -> None:
        """Stop a server whose owner was killed; its watchdog may be about to do the same."""
        if not self._postmaster():
            return
        self._run(self._stop_command, "the PostgreSQL that a killed run left behind does not stop", allowed=(1,))
        if left := self._postmaster():
            raise PlatformError(
                str(self.directory),
                f"process {left[0]} holds it and does not stop",
                "End that process if it is a PostgreSQL; else remove postmaster.pid from the directory",
            )

    @property
    def _pid_file(self) -> Path:
        return self.directory / "postmaster.pid"

    @property
    def _owner_file(self) -> Path:
        return self.directory / "owner.pid"

    @property
    def _stop_command(self) -> list[object]:
        return [self.program("pg_ctl"), "stop", "-D", ".", "-m", "fast", "-w", "-t", _STOP_SECONDS]

    def _postmaster(self) -> list[str]:
        """The lines of the running server's postmaster.pid; none if no server runs."""
        try:
            lines = self._pid_file.read_text().splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unusable(self.directory, error) from None
        # A dead process's file is stale: the server replaces it.
        return lines if lines and _is_alive(int(lines[0])) else []

    def remove_socket_directory(self) -> None:
        if self.socket_directory != self.directory:
            shutil.rmtree(self.socket_directory, ignore_errors=True)

    def _choose_socket_directory(self) -> Path:
        """The data directory, unless a socket's name can't hold its path, or a list of hosts would take it apart."""
        path = str(self.directory)
        if len(path) + len("/.s.PGSQL.5432") < _MAX_SOCKET_PATH and re.fullmatch(r"[\w./-]+", path, re.ASCII):
            return self.directory
        short = Path(tempfile.mkdtemp(prefix="banking-warehouse-", dir="/tmp"))  # nosec B108 # mkdtemp makes it 0700; $TMPDIR may be long itself
        self._account.own(short)
        return short

    def _identity(self) -> dict[str, Any]:
        """subprocess' arguments that change the user, unless the prefix does."""
        return {} if self._prefix else self._account.identity

    def _reach(self, directory: Path) -> bool:
        """Whether the server's user can write to the directory, with the capability where it takes that; see
        server_account."""
        self._prefix = []
        if self._account.is_ours or self._account.can("-w", directory):
            return True
        self._prefix = self._account.with_capability
        return self._account.can("-w", directory, self._prefix)

    def _unreachable(self, directory: Path) -> PlatformError:
        return PlatformError(
            str(directory),
            f"PostgreSQL does not run as root, and user {self._account.name or self._account.uid} can't write to this "
            "directory",
            "Run as another user than root, or choose a directory below ones that others may enter (chmod o+x)",
        )

    def _run(
        self,
        command: Sequence[object],
        fault: str,
        log: Path | None = None,
        allowed: tuple[int, ...] = (),
        within: Path | None = None,
    ) -> None:
        """Run one of PostgreSQL's programs to its end; its log, if any, tells what went wrong. allowed: besides 0.

        It runs within the data directory and is given no path into it: pg_ctl would hand it to a shell.
        """
        result = subprocess.run(
            [*self._prefix, *map(str, command)],
            stdin=subprocess.DEVNULL,
            # Not a pipe: the server would keep it open for as long as it runs.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if log else subprocess.PIPE,
            cwd=within or self.directory,
            start_new_session=True,
            text=True,
            **self._identity(),
        )
        if result.returncode not in (0, *allowed):
            said = _last_fault(log.read_text(errors="replace") if log and log.exists() else result.stderr or "")
            raise PlatformError(
                str(self.directory),
                f"{fault}: {said}",
                "Remove the cause; where the data is damaged, remove the directory and run again: every run is then "
                "loaded anew from the curated files",
            )


def _unusable(directory: Path, error: OSError) -> PlatformError:
    below_file = isinstance(error, FileExistsError | NotADirectoryError)
    return PlatformError(
        str(directory),
        f"can't be used for the warehouse ({'Not a directory' if below_file else error.strerror})",
        "Choose a directory that you own and can write to",
    )


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # another user's: the number was used again
    return True


def _last_fault(text: str) -> str:
    """What a server's log says of why it went down: the fatal line, and the one before it, which is its cause."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    reasons = [match for line in lines if (match := re.search(r"(LOG|FATAL|PANIC|error):\s*(.*)", line))]
    for place, match in reversed(list(enumerate(reasons))):
        if match[1] != "LOG":
            cause = f"; {reasons[place - 1][2]}" if place and reasons[place - 1][1] == "LOG" else ""
            return match[2] + cause
    return lines[-1] if lines else "no reason given"
