"""The embedded PostgreSQL: it starts where a user may want it to, says why where it can't, and leaves no process."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from infrastructure.errors import PlatformError
from infrastructure.local.redshift import postgresql, postgresql_server, server_account
from infrastructure.local.redshift.postgresql import Warehouse, query
from infrastructure.local.redshift.server_account import Account, account_for, naming_prefix
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
_LONG = 180  # seconds: a busy disk can keep a server's last checkpoint for half a minute
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


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


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
    owner.process.wait(_LONG)

    wait_until(lambda: is_gone(owner.server))
    wait_until(lambda: is_gone(owner.watchdog))


def test_a_server_left_behind_is_stopped_by_the_next_run(kept: Path) -> None:
    """Owner and watchdog killed at once, as by a kill of everything but the server."""
    owner = Owner(kept)
    os.kill(owner.watchdog, signal.SIGKILL)
    owner.process.kill()
    owner.process.wait(_LONG)
    os.kill(owner.server, 0)

    with Warehouse(kept) as warehouse:
        assert rows(warehouse) == [(1,)]
    wait_until(lambda: is_gone(owner.server))


def test_a_late_watchdog_leaves_the_next_runs_server_alone(kept: Path) -> None:
    owner = Owner(kept)
    os.kill(owner.watchdog, signal.SIGSTOP)
    owner.process.kill()
    owner.process.wait(_LONG)

    with Warehouse(kept) as warehouse:
        os.kill(owner.watchdog, signal.SIGCONT)
        wait_until(lambda: is_gone(owner.watchdog))
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


def test_a_superuser_is_only_who_says_so(kept: Path) -> None:
    def psql(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "infrastructure/local/redshift/postgresql.py", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)

    asked = ("-At", "-c", "SELECT a FROM kept")
    shown = psql("--superuser", str(kept), *asked)
    assert (shown.stdout, shown.returncode) == ("1\n", 0), shown.stderr
    refused = psql(str(kept), *asked)
    assert (refused.stdout, refused.returncode) == ("", 1)
    assert "banking-data query" in refused.stderr


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


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="it is root whose server runs as another user")


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stands in for /var/lib/banking-data; pytest's own temporary folders are closed to others."""
    directory = Path(tempfile.mkdtemp(dir="/var/tmp"))
    monkeypatch.setattr(server_account, "_OUTSIDE", directory)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def no_capability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Account, "with_capability", ["there-is-no-setpriv"])


@as_root
def test_programs_in_a_closed_folder_are_run_from_a_copy_that_is_made_once(
    tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clone in root's home, say."""
    package = server_account._installed_programs().parents[1]
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for name in (package.name, f"{package.name}.libs"):
        (closed / name).symlink_to(package.with_name(name))
    programs = closed / package.name / "pginstall18" / "bin"
    monkeypatch.setattr(server_account, "_installed_programs", lambda: programs)

    for _ in range(2):
        with Warehouse(tmp_path / "warehouse") as warehouse, warehouse.connect() as connection:
            connection.execute("SELECT 1")
            assert warehouse._server.program("postgres").is_relative_to(outside)
            assert subprocess.run([warehouse._server.program("psql"), "--version"]).returncode == 0
    assert len(list(outside.iterdir())) == 1
    assert not list(outside.rglob("*.a"))


@as_root
@pytest.mark.usefixtures("no_capability")
def test_data_that_the_servers_user_cannot_reach_lies_outside_and_a_link_leads_there(
    tmp_path: Path, outside: Path
) -> None:
    place = tmp_path / "warehouse"
    with Warehouse(place) as warehouse, warehouse.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS a")
    assert place.readlink().parent == outside
    assert stat.S_IMODE(place.stat().st_mode) == 0o700

    assert query(place, "SELECT a FROM kept") == [(1,)]

    shutil.rmtree(place.readlink())
    with Warehouse(place) as warehouse, warehouse.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 2 AS a")
    assert query(place, "SELECT a FROM kept") == [(2,)]


@as_root
@pytest.mark.usefixtures("no_capability")
def test_no_place_for_data_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(server_account, "_OUTSIDE", tmp_path / "file" / "banking-data")
    assert "Run as another user than root" in refusal(tmp_path / "warehouse")


@as_root
def test_a_system_without_nobody_runs_it_as_its_first_other_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(name: str) -> pwd.struct_passwd:
        raise KeyError(name)

    monkeypatch.setattr(pwd, "getpwnam", unknown)
    first = next(entry for entry in pwd.getpwall() if entry.pw_uid)
    assert account_for(tmp_path / "warehouse").name == first.pw_name
    with Warehouse(tmp_path / "warehouse") as warehouse, warehouse.connect() as connection:
        connection.execute("SELECT 1")

    monkeypatch.setattr(pwd, "getpwall", list)
    assert "this system has no other user. Add one" in refusal(tmp_path / "another")


@as_root
def test_data_of_a_user_that_has_no_name_is_served_as_that_user(kept: Path, tmp_path: Path) -> None:
    directory = tmp_path / "warehouse"
    shutil.copytree(kept, directory)
    for path in (directory, *directory.rglob("*")):
        os.chown(path, 54321, 54321)
    assert query(directory, "SELECT a FROM kept") == [(1,)]
    assert account_for(directory) == Account(54321, 54321, "")


def test_a_user_without_a_name_is_lent_one_for_initdb() -> None:
    if subprocess.run(["unshare", "--user", "true"], capture_output=True).returncode:
        pytest.skip("this system makes no user namespaces")
    lent = subprocess.run(
        [*naming_prefix(Account(54321, 54321, "")), "id", "-un"], capture_output=True, text=True, check=True
    )
    assert lent.stdout.strip() == "nobody"
    assert naming_prefix(Account(54321, 54321, "known")) == []


def test_a_user_without_a_name_is_told_so_where_none_can_be_lent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Account, "can", lambda *arguments: False)
    with pytest.raises(PlatformError, match=r"needs a name for user 54321.*Add the user to /etc/passwd"):
        naming_prefix(Account(54321, 54321, ""))


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
    assert postgresql.main(["--superuser", str(tmp_path)]) == 1
    assert "holds no warehouse" in capsys.readouterr().err


def test_damaged_data_is_one_clear_error_and_no_server_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql_server, "_STOP_SECONDS", 3)  # a damaged one does not stop in order, however long
    directory = tmp_path / "warehouse"
    with Warehouse(directory) as warehouse, warehouse.connect() as connection:
        ((oid,),) = connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchall()
    for file in (directory / "base" / str(oid)).iterdir():
        if file.stat().st_size > 16_384:
            os.truncate(file, 0)
    with Warehouse(directory) as warehouse, pytest.raises(PlatformError, match=r"takes no connection.*damaged"):
        warehouse.connect()
    assert not (directory / "postmaster.pid").exists()
