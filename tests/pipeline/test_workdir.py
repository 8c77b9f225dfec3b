"""The workdir keeps an embedded stack's state as ordinary files, and says clearly where it can't."""

import os
import stat
from datetime import UTC, datetime
from decimal import Decimal

import boto3
import pytest
from moto.s3.exceptions import S3ClientError
from moto.s3.models import s3_backends

from data_governance.control_totals import ControlKey, ControlTotals
from infrastructure.errors import PlatformError
from infrastructure.local.emulator import emulated_aws
from infrastructure.local.object_files import ObjectFiles
from infrastructure.local.workdir import Workdir

ACCOUNT, BUCKET = "123456789012", "lake"
EUR = ControlKey("EUR", "DBIT")


def totals(records):
    found = ControlTotals()
    found.add(EUR, Decimal(records), records)
    return found


@pytest.fixture
def s3(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with emulated_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield client


def test_objects_are_files_under_their_keys_and_come_back(s3, tmp_path):
    files = ObjectFiles(tmp_path / "s3", ACCOUNT, [BUCKET])
    with files.kept():
        s3.put_object(Bucket=BUCKET, Key="raw/a=1/x.gz", Body=b"one")
        s3.put_object(Bucket=BUCKET, Key="raw/a=1/x.gz", Body=b"two")
        s3.copy_object(Bucket=BUCKET, Key="copied", CopySource={"Bucket": BUCKET, "Key": "raw/a=1/x.gz"})
        s3.put_object(Bucket=BUCKET, Key="gone", Body=b"")
        s3.delete_object(Bucket=BUCKET, Key="gone")
        s3.put_object(Bucket=BUCKET, Key="gone-too", Body=b"")
        s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "gone-too"}]})
    kept = {path.relative_to(tmp_path / "s3").as_posix() for path in (tmp_path / "s3").rglob("*") if path.is_file()}
    assert kept == {f"{BUCKET}/raw/a=1/x.gz", f"{BUCKET}/copied"}
    s3.delete_object(Bucket=BUCKET, Key="copied")
    assert files.restore() == 2
    assert s3.get_object(Bucket=BUCKET, Key="copied")["Body"].read() == b"two"


def test_an_object_that_comes_back_was_last_modified_when_it_was_written(s3, tmp_path):
    file = tmp_path / "s3" / BUCKET / "x"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    os.utime(file, (1_772_442_000, 1_772_442_000))
    ObjectFiles(tmp_path / "s3", ACCOUNT, [BUCKET]).restore()
    (listed,) = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    told = [listed["LastModified"], s3.head_object(Bucket=BUCKET, Key="x")["LastModified"]]
    assert told == [datetime(2026, 3, 2, 9, tzinfo=UTC)] * 2


def test_the_emulator_reads_an_object_from_its_file_and_keeps_no_copy(s3, tmp_path):
    files = ObjectFiles(tmp_path / "s3", ACCOUNT, [BUCKET])
    with files.kept():
        s3.put_object(Bucket=BUCKET, Key="x", Body=b"abcdef")
        (tmp_path / "s3" / BUCKET / "x").write_bytes(b"uvwxyz")
        # A part of it, because the whole is held to its checksum.
        assert s3.get_object(Bucket=BUCKET, Key="x", Range="bytes=2-3")["Body"].read() == b"wx"


def test_other_buckets_are_not_kept(s3, tmp_path):
    s3.create_bucket(Bucket="other")
    with ObjectFiles(tmp_path / "s3", ACCOUNT, [BUCKET]).kept():
        s3.put_object(Bucket="other", Key="x", Body=b"x")
    assert not (tmp_path / "s3" / "other").exists()


def test_incarnations_always_move_forward(tmp_path):
    directory = str(tmp_path / "w")
    ids = []
    for _ in range(3):
        workdir = Workdir(directory)
        ids.append(workdir.begin_incarnation().id)
        workdir.close()
    assert ids == sorted(set(ids))


def test_a_complete_incarnation_counts_what_was_produced_and_a_killed_one_what_it_left(tmp_path):
    workdir = Workdir(str(tmp_path / "w"))
    workdir.begin_incarnation()
    workdir.complete_incarnation(totals(100), totals(2))
    killed = workdir.begin_incarnation()
    workdir.close()
    again = Workdir(str(tmp_path / "w"))
    assert again.produced({killed.id: totals(7)}) == totals(107)
    assert again.put_again() == totals(2)
    again.close()


def test_two_runs_cannot_share_a_workdir(tmp_path):
    first = Workdir(str(tmp_path / "w"))
    with pytest.raises(PlatformError, match="another run is using"):
        Workdir(str(tmp_path / "w"))
    first.close()
    Workdir(str(tmp_path / "w")).close()


def test_somebody_elses_directory_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(PlatformError, match="holds other files"):
        Workdir(str(tmp_path))


def test_a_file_is_no_workdir(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(PlatformError, match="not a directory"):
        Workdir(str(tmp_path / "file"))


def test_the_kept_key_is_for_its_owner_only(tmp_path):
    workdir = Workdir(str(tmp_path / "w"))
    workdir.keep_secret("{}")
    assert stat.S_IMODE((tmp_path / "w" / "secrets.json").stat().st_mode) == 0o600
    assert workdir.secret() == "{}"
    workdir.close()


def test_a_temporary_workdir_is_removed():
    workdir = Workdir(None)
    path = workdir.path
    assert path.is_dir()
    workdir.close()
    assert not path.exists()


def test_a_temporary_workdir_takes_with_it_the_warehouse_that_lies_elsewhere(tmp_path):
    workdir = Workdir(None)
    (tmp_path / "warehouse-x").mkdir()
    workdir.warehouse.symlink_to(tmp_path / "warehouse-x")
    workdir.close()
    assert not (tmp_path / "warehouse-x").exists()


def test_where_no_temporary_folder_can_be_written_it_lies_in_the_users_state_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for _ in range(2):
        workdir = Workdir(None)
        assert workdir.path.parent == tmp_path / "state" / "banking-data"
        workdir.close()
        assert not workdir.path.exists()


def test_a_home_that_nobody_has_is_one_clear_error():
    with pytest.raises(PlatformError, match="~nobody-of-this-name/run: is unknown here"):
        Workdir("~nobody-of-this-name/run")


@pytest.mark.parametrize(
    "key",
    [
        "../../outside",
        "raw/../../../outside",
        "/etc/outside",
        "//outside",
        "raw//x",
        "raw/./x",
        "raw/..",
        "..",
        ".",
        "folder/",
        "link/outside",
        "a\0b",
    ],
)
def test_a_key_that_leads_out_of_its_buckets_folder_is_refused_and_writes_and_removes_nothing(s3, tmp_path, key):
    files = ObjectFiles(tmp_path / "kept" / "s3", ACCOUNT, [BUCKET])
    folder = tmp_path / "kept" / "s3" / BUCKET
    folder.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("outside", "kept/outside", "elsewhere/outside", "kept/s3/outside"):
        (tmp_path / name).write_bytes(b"mine")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    backend = s3_backends[ACCOUNT]["aws"]
    with files.kept():
        with pytest.raises(S3ClientError, match="InvalidArgument"):
            backend.put_object(BUCKET, key, b"theirs")
        with pytest.raises(S3ClientError, match="InvalidArgument"):
            backend.delete_object(BUCKET, key)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert files.restore() == 0, "nor is what a link leads to taken for an object"


def test_nobody_else_may_enter_the_workdir_not_even_one_that_was_open_before(tmp_path):
    directory = tmp_path / "w"
    Workdir(str(directory)).close()
    directory.chmod(0o755)
    workdir = Workdir(str(directory))
    workdir.keep_secret("{}")
    workdir.write_run({}, "<html>")
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for name in ("run.json", "report.html"):
        assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600
    workdir.close()
    temporary = Workdir(None)
    assert stat.S_IMODE(temporary.path.stat().st_mode) == 0o700
    temporary.close()


def test_a_fresh_start_removes_what_runs_kept_and_nothing_else(tmp_path):
    directory = tmp_path / "w"
    workdir = Workdir(str(directory))
    workdir.begin_incarnation()
    workdir.keep_secret("s")
    workdir.write_run({}, "<html>")
    (directory / "s3" / "bucket").mkdir(parents=True)
    (directory / "s3" / "bucket" / "x").write_bytes(b"x")
    (directory / "notes.txt").write_text("mine")
    workdir.close()
    anew = Workdir(str(directory), fresh=True)
    assert anew.incarnations == [] and anew.secret() is None
    assert {path.name for path in directory.iterdir()} == {".lock", "notes.txt"}
    anew.close()


def test_a_fresh_start_waits_for_whoever_uses_the_warehouse(tmp_path):
    workdir = Workdir(str(tmp_path / "w"))
    workdir.begin_incarnation()
    workdir.warehouse.mkdir()
    (workdir.warehouse / "postmaster.pid").write_text(f"{os.getpid()}\n")
    workdir.close()
    with pytest.raises(PlatformError, match=f"in use by process {os.getpid()}"):
        Workdir(str(tmp_path / "w"), fresh=True)
    assert Workdir(str(tmp_path / "w")).incarnations, "nothing was removed, and the lock is free again"
