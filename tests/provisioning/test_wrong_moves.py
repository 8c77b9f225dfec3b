"""No wrong move by people: what is asked, what is previewed, what is refused because somebody else was at work."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infrastructure.aws.s3_lock import LOCK_KEY
from infrastructure.settings import KEY_PURPOSES
from tests.provisioning.command_line import ROOT, Run, client

SECURITY = ("--only", "security")
ARTIFACTS = "banking-data-dev-artifacts-123456789012-eu-central-1"


def at_a_terminal(run: Run, *arguments: str, answer: str, **environment: str) -> tuple[int, str]:
    """Run a command at a terminal and type an answer when it asks; gives exit status and screen."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "scripts/orchestrate_pipeline.py", *arguments],
        cwd=ROOT,
        env=run.environment(TERM="dumb", **environment),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout
    screen, answered = "", False
    with process.stdout as output:
        while True:
            select.select([output], [], [])
            read = os.read(output.fileno(), 65_536)
            if not read:
                break
            screen += read.decode()
            if not answered and "Name the environment" in screen:
                os.write(ours, answer.encode() + b"\n")
                answered = True
    status = process.wait()
    os.close(ours)
    os.close(theirs)
    return status, screen


def stands(run: Run, environment: str = "dev") -> bool:
    alias = f"alias/banking-data-{environment}-data"
    keys = client(run.endpoint, "kms")
    aliases = {each["AliasName"] for each in keys.list_aliases()["Aliases"]}
    return alias in aliases and keys.describe_key(KeyId=alias)["KeyMetadata"]["KeyState"] == "Enabled"


@pytest.mark.slow
def test_destroy_asks_for_the_name_at_a_terminal_whatever_the_environment(run: Run) -> None:
    assert run("apply", *SECURITY).returncode == 0
    status, screen = at_a_terminal(run, "destroy", "--delete-data", *SECURITY, answer="yes")
    assert (status, stands(run)) == (1, True)
    assert "'yes' is not this environment; nothing was removed" in screen
    status, screen = at_a_terminal(run, "destroy", "--delete-data", *SECURITY, answer="dev")
    assert (status, stands(run)) == (0, False), screen


@pytest.mark.slow
def test_destroy_asks_nothing_with_yes_but_in_prod(run: Run) -> None:
    for environment in ("dev", "prod"):
        assert run("apply", *SECURITY, ENVIRONMENT=environment).returncode == 0
    options = ("destroy", "--yes", "--delete-data", *SECURITY)
    assert at_a_terminal(run, *options, answer="")[0] == 0
    assert at_a_terminal(run, *options, answer="", ENVIRONMENT="prod")[0] == 1
    assert (stands(run, "dev"), stands(run, "prod")) == (False, True)


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--yes",), ("--confirm", "test")], ids=" ".join)
def test_without_a_terminal_destroy_wants_the_name(options: tuple[str, ...], run: Run) -> None:
    assert run("apply", *SECURITY).returncode == 0
    refused = run("destroy", "--delete-data", *SECURITY, *options)
    assert refused.returncode == 1
    assert "Repeat the command with --confirm dev." in refused.stderr
    assert stands(run)


@pytest.mark.slow
def test_apply_asks_at_a_terminal_before_it_changes_prod_and_nowhere_else(run: Run) -> None:
    status, screen = at_a_terminal(run, "apply", *SECURITY, answer="dev", ENVIRONMENT="prod")
    assert (status, stands(run, "prod")) == (1, False)
    assert "nothing was changed" in screen
    assert at_a_terminal(run, "apply", *SECURITY, answer="prod", ENVIRONMENT="prod")[0] == 0
    assert stands(run, "prod")
    status, screen = at_a_terminal(run, "apply", *SECURITY, answer="")
    assert (status, stands(run)) == (0, True)
    assert "Name the environment" not in screen


@pytest.mark.slow
def test_plan_destroy_is_the_preview_of_destroy_and_removes_nothing(run: Run) -> None:
    assert run("apply", *SECURITY).returncode == 0
    previewed = run("plan", "--destroy", "--delete-data", *SECURITY)
    assert previewed.returncode == 2
    assert stands(run)
    document = json.loads(run("plan", "--destroy", "--delete-data", "--json", *SECURITY).stdout)
    destroyed = run("destroy", "--delete-data", "--confirm", "dev", *SECURITY)
    assert destroyed.stdout.startswith(previewed.stdout)
    assert document["summary"]["delete"] == len(document["changes"])
    assert f"Destroy: {document['summary']['delete']} to remove" in destroyed.stdout


@pytest.mark.slow
def test_destroy_keeps_what_the_preview_says_is_kept(run: Run) -> None:
    assert run("apply", *SECURITY).returncode == 0
    kept = json.loads(run("plan", "--destroy", "--json", *SECURITY).stdout)["kept"]
    assert kept["AWS::KMS::Key/banking-data-dev-data"] == "what it encrypts would be lost with it"
    assert run("destroy", "--confirm", "dev", *SECURITY).returncode == 0
    assert stands(run)


@pytest.fixture
def held(run: Run) -> Any:
    """An environment that another command is changing."""
    s3 = client(run.endpoint, "s3")
    s3.create_bucket(Bucket=ARTIFACTS, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    holder = {"who": "arn:aws:iam::123456789012:user/anna", "command": "apply", "since": "2026-11-26T04:00:00+00:00"}
    s3.put_object(Bucket=ARTIFACTS, Key=LOCK_KEY, Body=json.dumps(holder | {"id": "1"}).encode())
    return s3


@pytest.mark.parametrize("command", [("apply",), ("destroy", "--delete-data", "--confirm", "dev")], ids=" ".join)
def test_a_command_that_comes_second_changes_nothing_and_names_the_first(
    command: tuple[str, ...], run: Run, held: Any
) -> None:
    refused = run(*command, "--only", "data_storage,security")
    assert refused.returncode == 1
    assert "is being changed by arn:aws:iam::123456789012:user/anna (apply, for " in refused.stderr
    assert f"aws s3api delete-object --bucket {ARTIFACTS} --key {LOCK_KEY}" in refused.stderr
    assert [bucket["Name"] for bucket in held.list_buckets()["Buckets"]] == [ARTIFACTS]
    assert not stands(run)


@pytest.mark.slow
def test_plan_and_status_wait_for_nobody(run: Run, held: Any) -> None:
    assert run("plan", *SECURITY).returncode == 2
    assert "is being changed" not in run("status").stderr


@pytest.mark.slow
def test_of_two_first_applies_at_once_one_does_it_and_nothing_is_made_twice(run: Run) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "scripts/orchestrate_pipeline.py", "apply", "--only", "security,data_storage"],
            cwd=ROOT,
            env=run.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate()[1] for process in both]
    assert 0 in [process.returncode for process in both], said
    for process, errors in zip(both, said, strict=True):
        # The second is refused by the lock, or, if it looked before the first was done, because the account has moved.
        assert process.returncode == 0 or "is being changed by" in errors or "has changed since it was shown" in errors
    assert len(client(run.endpoint, "kms").list_keys()["Keys"]) == len(KEY_PURPOSES)
    assert run("plan", "--only", "security,data_storage").returncode == 0


def test_the_lock_leaves_nothing_behind(run: Run) -> None:
    assert run("apply", "--only", "security,data_storage").returncode == 0
    s3 = client(run.endpoint, "s3")
    s3.delete_bucket_policy(Bucket=ARTIFACTS)  # moto would refuse to list the versions
    found = s3.list_object_versions(Bucket=ARTIFACTS)
    assert (found.get("Versions", []), found.get("DeleteMarkers", [])) == ([], [])


def test_a_reviewed_plan_is_applied_as_it_is(run: Run, tmp_path: Path) -> None:
    file = str(tmp_path / "plan.json")
    planned = run("plan", "--out", file, *SECURITY)
    assert planned.returncode == 2
    reviewed = json.loads(Path(file).read_text())
    assert {reviewed[name] for name in ("account", "region", "environment")} == {"123456789012", "eu-central-1", "dev"}
    assert json.loads(run("plan", "--json", *SECURITY).stdout)["changes"] == reviewed["changes"]
    applied = run("apply", file)
    assert applied.returncode == 0, applied.stderr
    assert f"Done: {reviewed['summary']['create']} created" in applied.stdout
    assert run("plan", *SECURITY).returncode == 0


def test_a_reviewed_plan_is_refused_once_the_account_has_moved(run: Run, tmp_path: Path) -> None:
    assert run("apply", *SECURITY).returncode == 0
    kms = client(run.endpoint, "kms")
    key = kms.describe_key(KeyId="alias/banking-data-dev-data")["KeyMetadata"]["KeyId"]
    kms.update_key_description(KeyId=key, Description="x")
    file = str(tmp_path / "plan.json")
    assert run("plan", "--out", file, *SECURITY).returncode == 2
    kms.disable_key_rotation(KeyId=key)
    refused = run("apply", file)
    assert refused.returncode == 1
    assert "has changed since it was planned: AWS::KMS::Key/banking-data-dev-data" in refused.stderr
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["Description"] == "x"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"account": "210987654321"}, "is a plan for account 210987654321, and this is 123456789012"),
        ({"region": "eu-west-1"}, "is a plan for region eu-west-1"),
        ({"environment": "prod"}, "is a plan for environment prod"),
        ({"format": 0}, "is of format 0"),
        ({"changes": None}, "is no plan"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_plan_of_somewhere_else_is_refused(change: dict[str, Any], told: str, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    plan = {"format": 1, "account": "123456789012", "region": "eu-central-1", "environment": "dev", "only": []}
    file.write_text(json.dumps(plan | {"except": [], "changes": []} | change))
    refused = run("apply", str(file))
    assert refused.returncode == 1
    assert told in refused.stderr
    assert client(run.endpoint, "s3").list_buckets()["Buckets"] == []
