"""The workflows: actions by commit, no long-lived keys, and a deployment that applies what was reviewed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from infrastructure.settings import Settings

FOLDER = Path(__file__).resolve().parents[2] / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))


def workflow(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    return found


def steps(job: dict[str, Any], action: str) -> list[dict[str, Any]]:
    return [step for step in job["steps"] if step.get("uses", "").startswith(f"{action}@")]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_action_is_named_by_its_commit_with_its_version_beside_it(file: Path) -> None:
    used = re.findall(r"uses: (.*)", file.read_text(encoding="utf-8"))
    assert used
    assert [each for each in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_workflow_holds_a_key_or_runs_text_of_an_event_as_code(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"secrets\.|aws-access-key|AWS_SECRET", text)
    for job in yaml.safe_load(text)["jobs"].values():
        for step in job["steps"]:
            assert "github.event" not in step.get("run", "")


def test_a_deployment_plans_with_one_identity_and_applies_with_another() -> None:
    jobs = workflow("deploy.yml")["jobs"]
    assert workflow("deploy.yml")["permissions"] == {}
    assert jobs["plan"]["permissions"] == {"contents": "read", "id-token": "write", "pull-requests": "write"}
    assert jobs["apply"]["permissions"] == {"contents": "read", "id-token": "write"}
    roles = {
        name: step["with"]["role-to-assume"]
        for name, job in jobs.items()
        for step in steps(job, "aws-actions/configure-aws-credentials")
    }
    assert roles == {"plan": "${{ vars.AWS_PLAN_ROLE_ARN }}", "apply": "${{ vars.AWS_DEPLOY_ROLE_ARN }}"}


def test_a_fork_is_given_no_identity() -> None:
    condition = workflow("deploy.yml")["jobs"]["plan"]["if"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in condition


def test_what_is_applied_is_the_file_that_was_planned_and_only_after_approval_on_main() -> None:
    jobs = workflow("deploy.yml")["jobs"]
    apply = jobs["apply"]
    assert apply["needs"] == "plan"
    assert apply["if"] == "github.event_name == 'push' && needs.plan.outputs.status == '2'"
    assert apply["environment"] == "${{ vars.DEPLOY_ENVIRONMENT || 'dev' }}"
    (kept,) = steps(jobs["plan"], "actions/upload-artifact")
    (taken,) = steps(apply, "actions/download-artifact")
    assert kept["with"]["name"] == taken["with"]["name"]
    planned = next(step["run"] for step in jobs["plan"]["steps"] if step.get("id") == "plan")
    assert f"--out {kept['with']['path']}" in planned
    assert {"run": f".venv/bin/banking-data apply {kept['with']['path']}"} in apply["steps"]


def test_the_variables_that_it_sets_are_settings() -> None:
    names = set(workflow("deploy.yml")["env"]) - {"AWS_REGION"}
    assert names <= {name.upper() for name in Settings.__dataclass_fields__}


def test_actionlint_finds_nothing() -> None:
    actionlint = shutil.which("actionlint")
    if actionlint is None:
        pytest.skip("test_actionlint_finds_nothing: no actionlint on the PATH")
    done = subprocess.run([actionlint, *map(str, FILES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_daily_watch_looks_with_two_identities_and_tells_by_metrics() -> None:
    jobs = workflow("watch.yml")["jobs"]
    assert workflow("watch.yml")["permissions"] == {}
    roles = {
        name: step["with"]["role-to-assume"]
        for name, job in jobs.items()
        for step in steps(job, "aws-actions/configure-aws-credentials")
    }
    assert roles == {"drift": "${{ vars.AWS_WATCH_ROLE_ARN }}", "totals": "${{ vars.AWS_AUDIT_ROLE_ARN }}"}
    runs = {name: job["steps"][-1]["run"] for name, job in jobs.items()}
    assert runs["drift"].startswith(".venv/bin/banking-data plan --metric")
    assert runs["totals"] == ".venv/bin/banking-data reconcile --metric"
    assert all(job["permissions"] == {"contents": "read", "id-token": "write"} for job in jobs.values())
