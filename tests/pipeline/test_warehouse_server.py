"""The embedded PostgreSQL: it starts where a user may want it to, says why where it can't, and leaves no process."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from infrastructure.errors import PlatformError
from infrastructure.local.redshift import postgresql
from infrastructure.local.redshift.postgresql import Warehouse, query

ROOT = Path(__file__).parents[2]
OWNER = """
import sys
from pathlib import Path
from infrastructure.local.redshift.postgresql import Warehouse
with Warehouse(Path(sys.argv[1])) as warehouse:
    print(warehouse._watchdog.pid, flush=True)
    sys.stdin.read()
"""


class Owner:
    """Another process that runs the server of a directory."""

    def __init__(self, directory: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(directory)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.watchdog = int(self.process.stdout.readline())
        self.server = int((directory / "postmaster.pid").read_text().split()[0])


def wait_until_gone(pid: int) -> None:
    for _ in range(6000):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"process {pid} is still there")


def rows(warehouse: Warehouse) -> list[tuple[object, ...]]:
    with warehouse.connect() as connection:
        return connection.execute("SELECT a FROM kept").fetchall()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a table, its server stopped."""
    directory = tmp_path_factory.mktemp("kept") / "warehouse"
    with Warehouse(directory) as warehouse, warehouse.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS a")
    return directory


def test_what_was_written_is_there_at_the_next_start_and_no_process_between(kept: Path) -> None:
    assert not (kept / "postmaster.pid").exists()
    with Warehouse(kept) as warehouse:
        assert rows(warehouse) == [(1,)]
    assert not (kept / "postmaster.pid").exists()


def test_no_tcp_port_is_opened_and_only_the_owner_reaches_the_socket(kept: Path) -> None:
    with Warehouse(kept) as warehouse, warehouse.connect() as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert connection.execute("SELECT current_setting('TimeZone')").fetchone() == ("UTC",)
        (socket,) = kept.glob(".s.PGSQL.*[0-9]")
        assert stat.S_IMODE(socket.stat().st_mode) & 0o077 == 0
        assert stat.S_IMODE(kept.stat().st_mode) & 0o077 == 0


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_server_ends_with_its_owner_however_that_ends(kept: Path, ending: signal.Signals) -> None:
    owner = Owner(kept)
    owner.process.send_signal(ending)
    owner.process.wait(30)

    wait_until_gone(owner.server)
    wait_until_gone(owner.watchdog)


def test_a_server_left_behind_is_stopped_by_the_next_run(kept: Path) -> None:
    """Owner and watchdog killed at once, as by a kill of everything but the server."""
    owner = Owner(kept)
    os.kill(owner.watchdog, signal.SIGKILL)
    owner.process.kill()
    owner.process.wait(30)
    os.kill(owner.server, 0)

    with Warehouse(kept) as warehouse:
        assert rows(warehouse) == [(1,)]
    wait_until_gone(owner.server)


def test_a_late_watchdog_leaves_the_next_runs_server_alone(kept: Path) -> None:
    owner = Owner(kept)
    os.kill(owner.watchdog, signal.SIGSTOP)
    owner.process.kill()
    owner.process.wait(30)

    with Warehouse(kept) as warehouse:
        os.kill(owner.watchdog, signal.SIGCONT)
        wait_until_gone(owner.watchdog)
        assert rows(warehouse) == [(1,)]


def test_a_directory_in_use_is_refused_to_a_run_and_open_to_a_reader(kept: Path) -> None:
    with Warehouse(kept) as warehouse:
        with pytest.raises(PlatformError, match=f"in use by process {os.getpid()}"):
            Warehouse(kept).__enter__()
        assert query(kept, "SELECT a FROM kept") == [(1,)]
        assert rows(warehouse) == [(1,)], "the reader left the server running"


def test_a_reader_starts_the_server_for_as_long_as_it_reads(kept: Path) -> None:
    assert query(kept, "SELECT a FROM kept") == [(1,)]
    assert not (kept / "postmaster.pid").exists()


def test_the_printed_command_opens_the_warehouse(kept: Path) -> None:
    command = Warehouse(kept).psql_command
    shown = subprocess.run(
        f"{command} -At -c 'SELECT a FROM kept'", shell=True, capture_output=True, text=True, cwd=ROOT
    )
    assert (shown.stdout, shown.returncode) == ("1\n", 0), shown.stderr


def test_a_path_longer_than_a_sockets_name_may_be(tmp_path: Path) -> None:
    directory = tmp_path / ("x" * 120) / "warehouse"
    with Warehouse(directory) as warehouse, warehouse.connect() as connection:
        connection.execute("SELECT 1")
        sockets = warehouse._server.socket_directory
    assert not sockets.exists(), "the socket's own directory goes with the server"


def test_a_path_with_spaces_and_quotes(tmp_path: Path) -> None:
    with Warehouse(tmp_path / "it's a $path" / "ware house") as warehouse, warehouse.connect() as connection:
        connection.execute("SELECT 1")


def test_closed_directories_above_it_are_no_obstacle_and_stay_closed(tmp_path: Path) -> None:
    """The home of root, say."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with Warehouse(closed / "warehouse") as warehouse, warehouse.connect() as connection:
        connection.execute("SELECT 1")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_a_half_made_data_directory_is_made_anew(tmp_path: Path) -> None:
    half = tmp_path / "warehouse.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with Warehouse(tmp_path / "warehouse") as warehouse, warehouse.connect() as connection:
        connection.execute("SELECT 1")
    assert not half.exists()


def refusal(directory: Path) -> str:
    with pytest.raises(PlatformError) as raised, Warehouse(directory):
        pass
    return str(raised.value)


def test_a_directory_of_other_files_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    assert "neither empty nor a PostgreSQL data directory" in refusal(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_data_directory_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("16\n")
    assert "PostgreSQL 16; the embedded warehouse is 18" in refusal(tmp_path)


def test_a_path_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "can't be used for the warehouse (Not a directory)" in refusal(tmp_path / "file" / "warehouse")


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    directory = tmp_path / "warehouse"
    with Warehouse(directory):
        pass
    with (directory / "postgresql.conf").open("a") as configuration:
        configuration.write("max_connections = none\n")

    assert "PostgreSQL does not start: configuration file" in (said := refusal(directory))
    assert 'invalid value for parameter "max_connections"' in said


def test_missing_programs_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install -r requirements.txt" in refusal(tmp_path / "warehouse")


def test_there_is_no_warehouse_to_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(PlatformError, match="holds no warehouse"):
        query(tmp_path, "SELECT 1")
    assert postgresql.main([str(tmp_path)]) == 1
    assert "holds no warehouse" in capsys.readouterr().err


def test_damaged_data_is_one_clear_error_and_no_server_stays(tmp_path: Path) -> None:
    directory = tmp_path / "warehouse"
    with Warehouse(directory) as warehouse, warehouse.connect() as connection:
        ((oid,),) = connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchall()
    for file in (directory / "base" / str(oid)).iterdir():
        if file.stat().st_size > 16_384:
            os.truncate(file, 0)
    with Warehouse(directory) as warehouse, pytest.raises(PlatformError, match=r"takes no connection.*damaged"):
        warehouse.connect()
    assert not (directory / "postmaster.pid").exists()
