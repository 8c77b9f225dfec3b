"""The workdir keeps an embedded stack's state as ordinary files, and says clearly where it can't."""

import stat
from decimal import Decimal

import boto3
import pytest

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
