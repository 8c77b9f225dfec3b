"""The function's zip: repeatable, small, complete, and compiled for the runtime that it is for."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import json
import platform
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from data_ingestion import deploy_transaction_lambda
from data_processing import deploy_detect_fraud
from data_processing.job_package import rules_of
from infrastructure import function_package
from infrastructure.aws.lambda_ import code_sha256
from infrastructure.errors import PlatformError
from infrastructure.function_package import ARCHITECTURES, build_zip
from infrastructure.settings import Settings
from infrastructure.wheels import PinnedWheels
from scripts import package_lambda

RUNTIME = Settings().lambda_runtime
ROOT = Path(__file__).resolve().parents[2]
MAX_BYTES = 3 * 1024 * 1024
UNCHECKED_HASH = 0b01
MODULE = "data_ingestion.process_transaction_lambda"


def landing(architecture: str) -> bytes:
    return deploy_transaction_lambda.package(Settings(lambda_architecture=architecture))  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=sorted(ARCHITECTURES))
def built(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    """(architecture, zip). The wheels come from build/, or from the package index where there are none yet."""
    try:
        return request.param, landing(request.param)
    except PlatformError as error:
        if "pip could not get the wheels" in error.what:
            pytest.skip(f"package index not reachable and no wheels under build/: {error.what}")
        raise


def archive(zip_bytes: bytes) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(zip_bytes))


def test_a_second_build_has_the_same_bytes(built: tuple[str, bytes]) -> None:
    architecture, zip_bytes = built
    assert hashlib.sha256(landing(architecture)).digest() == hashlib.sha256(zip_bytes).digest()


def test_it_is_at_most_3_mb(built: tuple[str, bytes]) -> None:
    assert len(built[1]) <= MAX_BYTES


def test_native_modules_are_of_the_architecture(built: tuple[str, bytes]) -> None:
    architecture, zip_bytes = built
    natives = [name for name in archive(zip_bytes).namelist() if name.endswith(".so")]
    assert natives
    elf_machine = {"x86_64": 62, "arm64": 183}[architecture]
    for name in natives:
        header = archive(zip_bytes).read(name)[:20]
        assert int.from_bytes(header[18:20], "little") == elf_machine, name


def test_every_module_is_compiled_by_the_runtimes_python_and_never_checked(built: tuple[str, bytes]) -> None:
    files = set(archive(built[1]).namelist())
    sources = {name for name in files if name.endswith(".py")}
    assert "data_ingestion/process_transaction_lambda.py" in sources
    tag = RUNTIME.replace("python", "cpython-").replace(".", "")
    for name in sources:
        folder, _, module = name.rpartition("/")
        compiled = f"{folder}/__pycache__/" if folder else "__pycache__/"
        compiled += f"{module.removesuffix('.py')}.{tag}.pyc"
        assert compiled in files
        header = archive(built[1]).read(compiled)[:8]
        assert header[:4] == importlib.util.MAGIC_NUMBER
        assert int.from_bytes(header[4:8], "little") == UNCHECKED_HASH


def test_it_holds_no_more_than_the_handler_needs(built: tuple[str, bytes]) -> None:
    top = {name.split("/")[0] for name in archive(built[1]).namelist()}
    assert not top & {"boto3", "botocore", "pydantic", "tests", "monitoring", "security", "data_processing", "dotenv"}
    assert "infrastructure/settings.py" not in archive(built[1]).namelist()


def test_tracebacks_name_the_place_in_lambda_and_not_the_builders(built: tuple[str, bytes]) -> None:
    compiled = [name for name in archive(built[1]).namelist() if name.endswith("transaction_batch.cpython-311.pyc")]
    content = archive(built[1]).read(compiled[0])
    assert b"/var/task/data_ingestion/transaction_batch.py" in content
    assert str(ROOT).encode() not in content


HANDLER_RUN = """
import base64, json, os, sys
sys.path.insert(0, sys.argv[1])
from infrastructure.aws import clients
written = {}
class S3:
    def put_object(self, Bucket, Key, Body, ChecksumAlgorithm): written[Key] = Body
class Secrets:
    def get_secret_value(self, SecretId):
        return {"SecretString": json.dumps({"current": 1, "keys": {"1": base64.b64encode(bytes(range(32))).decode()}})}
clients.client = lambda service: {"s3": S3(), "secretsmanager": Secrets()}[service]
os.environ |= {"RAW_BUCKET": "r", "QUARANTINE_BUCKET": "q", "TOKENIZATION_SECRET_ID": "s", "STREAM_INCARNATION": "i"}
from data_ingestion.process_transaction_lambda import handler
response = handler(json.loads(sys.stdin.read()), None)
places = {name: module.__file__ for name, module in sys.modules.items() if getattr(module, "__file__", None)}
ours = ("msgspec", "isal", "aws_lambda_powertools", "data_ingestion", "data_governance", "data_catalog", "jmespath")
strangers = [name for name, place in places.items() if name.split(".")[0] in ours and not place.startswith(sys.argv[1])]
sys.stderr.write(json.dumps({"response": response, "written": sorted(written), "strangers": strangers}))
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="no such wheels for this machine")
def test_the_unpacked_zip_lands_a_batch_with_nothing_but_boto3_beside_it(
    built: tuple[str, bytes], tmp_path: Path
) -> None:
    architecture, zip_bytes = built
    if ARCHITECTURES[architecture] != platform.machine():
        pytest.skip(f"this machine can't load modules of {architecture}")
    archive(zip_bytes).extractall(tmp_path)
    record = {
        "schema_version": "1.0", "transaction_id": "T1", "account_id": "A1", "transaction_type": "DEPOSIT",
        "credit_debit_indicator": "CRDT", "amount": "1.00", "currency": "EUR", "event_time": "2026-01-01T00:00:00Z",
        "status": "BOOKED", "channel": "WEB",
    }  # fmt: skip
    datas = [json.dumps(record).encode(), b"not JSON"]
    event = {
        "Records": [
            {
                "eventID": f"shardId-000000000000:{number}",
                "kinesis": {
                    "sequenceNumber": str(number),
                    "approximateArrivalTimestamp": 1_780_000_000.5,
                    "data": base64.b64encode(data).decode(),
                },
            }
            for number, data in enumerate(datas)
        ]
    }
    done = subprocess.run(
        [sys.executable, "-c", HANDLER_RUN, str(tmp_path)],
        input=json.dumps(event),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stderr.splitlines()[-1])
    assert outcome["response"] == {"batchItemFailures": []}
    assert len(outcome["written"]) == 3
    assert outcome["strangers"] == []


def test_the_command_puts_a_zip_where_asked(
    built: tuple[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new" / "function.zip"
    assert package_lambda.main(["--architecture", built[0], "--output", str(output)]) == 0
    assert output.read_bytes() == built[1]
    assert code_sha256(built[1]) in capsys.readouterr().out


FRAUD_RUN = """
import sys
sys.path.insert(0, sys.argv[1])
from data_processing.detect_fraud_lambda import handler
from data_processing.fraud_rule_file import shipped_rules
event = {"Records": [{"messageId": "1", "body": '{"Service": "Amazon S3", "Event": "s3:TestEvent"}'}]}
assert handler(event, None) == {"batchItemFailures": []}
assert not {"pyspark", "data_ingestion"} & sys.modules.keys()
sys.stderr.write(shipped_rules()[0].name)
"""


@pytest.mark.parametrize("name", ["", "only"])
def test_the_fraud_functions_zip_holds_the_rules_that_the_settings_name(
    built: tuple[str, bytes], name: str, tmp_path: Path
) -> None:
    rules = ""
    if name:
        text = rules_of("")["data_processing/fraud_rules.toml"].decode()
        (tmp_path / "rules.toml").write_text(text.replace("large_amount", name))
        rules = str(tmp_path / "rules.toml")
    architecture = next((each for each, machine in ARCHITECTURES.items() if machine == platform.machine()), "")
    if not architecture:
        pytest.skip("no such wheels for this machine")
    zip_bytes = deploy_detect_fraud.package(Settings(lambda_architecture=architecture, fraud_rules_file=rules))  # type: ignore[arg-type]
    assert len(zip_bytes) <= MAX_BYTES
    archive(zip_bytes).extractall(tmp_path / "zip")
    run = [sys.executable, "-c", FRAUD_RUN, str(tmp_path / "zip")]
    done = subprocess.run(run, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (0, name or "large_amount")


def test_code_sha256_is_lambdas_own_notation() -> None:
    assert code_sha256(b"") == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


def test_pinned_versions_are_those_that_are_tested_with() -> None:
    tested = dict(
        line.split("==") for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"
    )
    shipped = dict(
        line.rstrip(" \\").split("==")
        for line in function_package.REQUIREMENTS.read_text().splitlines()
        if "==" in line and line[0] != "#"
    )
    assert {"aws-lambda-powertools", "isal", "msgspec"} <= shipped.keys()
    for name in shipped.keys() & tested.keys():
        assert shipped[name] == tested[name]


@pytest.mark.parametrize(
    ("runtime", "architecture", "what"),
    [
        ("nodejs22.x", "arm64", "no Python runtime"),
        ("python3.11", "riscv", "'riscv' is none"),
        ("python3.99", "arm64", "there is no python3.99"),
    ],
)
def test_what_cannot_be_built_is_said(runtime: str, architecture: str, what: str) -> None:
    with pytest.raises(PlatformError, match=what):
        build_zip(runtime, architecture, MODULE)


def test_without_index_and_wheels_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_package, "BUILD", tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(PlatformError, match="Let pip reach a package index"):
        build_zip(RUNTIME, "arm64", MODULE)


def test_a_wheel_with_another_hash_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "msgspec-0.22.0-cp311-cp311-manylinux2014_x86_64.whl").write_bytes(b"not what was pinned")
    pinned = tmp_path / "requirements.txt"
    pinned.write_text(f"msgspec==0.22.0 \\\n    --hash=sha256:{hashlib.sha256(b'what was pinned').hexdigest()}\n")
    assert PinnedWheels(pinned, "3.11", ["any"], tmp_path, "a test").those_kept() is None
