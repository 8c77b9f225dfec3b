"""Who deploys may do what the calls need, and no more: permissions stand beside each type of resource and command, and
are held to the code's calls, to the calls that an emulated account has recorded, and to security/deployer_policy.json.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

import infrastructure.aws
import scripts.commands
from infrastructure.aws import s3_additions, s3_emptying
from infrastructure.local.emulator import emulated_aws
from infrastructure.planning import waiting
from infrastructure.planning.iam_actions import actions_of
from infrastructure.planning.plan import in_order
from infrastructure.planning.resource import Properties, Resource, resolve
from infrastructure.settings import Settings
from scripts.commands import environment_lock, erase
from security.deployer_policy import MOST_CHARACTERS, OPERATE, deployer_policies, size
from tests.provisioning.command_line import Run
from tests.provisioning.mutations.mutation import ADDRESS, WholeAccount

SERVICES = (
    "athena cloudtrail cloudwatch dynamodb ec2 glue iam kinesis kms lambda logs redshift redshift-data "
    "redshift-serverless s3 secretsmanager sns sqs"
).split()
SETTINGS = Settings(region="eu-central-1")
# Commands that need no permissions of their own: plan, apply, destroy and verify those of the resources, the other an
# environment of its own.
OF_RESOURCES = {"provision", "verify", "acceptance"}
# Calls of a type that stand in other files than its own.
ELSEWHERE = {"AWS::S3::Bucket": (s3_additions, s3_emptying)}
# Permissions that no call of the code or of an emulated account shows -> what needs them.
UNSEEN = {
    "AWS::S3::Object": {"s3:PutObject", "s3:DeleteObject"},
    "Warehouse::Schema": {
        "redshift-data:BatchExecuteStatement",
        "redshift-data:DescribeStatement",
        "redshift-data:ExecuteStatement",
        "redshift-data:GetStatementResult",
    },
}


@cache
def methods() -> dict[str, set[tuple[str, str]]]:
    """boto3's method -> (service, operation) of all services that have it."""
    found: dict[str, set[tuple[str, str]]] = {}
    for service in SERVICES:
        for operation in botocore.session.get_session().get_service_model(service).operation_names:
            found.setdefault(xform_name(operation), set()).add((service, operation))
    return found


def words(source: Any) -> set[str]:
    """What a class or module names: attributes, and texts, by which paginators and writers name calls."""
    tree = ast.parse(inspect.getsource(source))
    found = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return found | {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def types(classes: list[type[Resource]]) -> Iterator[type[Resource]]:
    for each in classes:
        if each.__module__.startswith("infrastructure.aws.") and "type" in each.__dict__:
            yield each
        yield from types(each.__subclasses__())


for _module in pkgutil.iter_modules(infrastructure.aws.__path__):
    importlib.import_module(f"infrastructure.aws.{_module.name}")
TYPES = {each.__name__: each for each in types(Resource.__subclasses__())}


def command_modules() -> dict[str, Any]:
    """The commands that work on an account, by the names of their modules."""
    folder = Path(scripts.commands.__file__).parent
    found = {}
    for path in sorted(folder.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "def add_commands" in text and ("open_context(" in text or "find_account(" in text):
            found[path.stem] = importlib.import_module(f"scripts.commands.{path.stem}")
    return found


COMMANDS = command_modules()
# Each of these has an identity of its own.
APART = {"erase", "token_key"}
OPERATING = {name: module for name, module in COMMANDS.items() if name not in OF_RESOURCES | APART}


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def allowed(operate: bool) -> set[str]:
    """The actions of the deployer's statements, or of those that operate."""
    return {
        action
        for policy in deployer_policies(SETTINGS)
        for statement in policy["Statement"]
        if statement["Sid"].startswith(OPERATE) is operate
        for action in listed(statement["Action"])
    }


@pytest.fixture(scope="module")
def recorded() -> dict[str, set[str]]:
    """Type of resource -> actions of the calls by which each is made, read, changed in every property, and removed."""
    found: dict[str, set[str]] = {}
    with emulated_aws(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(waiting, "pause", lambda seconds: None)
        account = WholeAccount(SETTINGS)
        ec2 = account.client("ec2")
        subnets = sorted(each["SubnetId"] for each in ec2.describe_subnets()["Subnets"])
        account.settings = Settings(
            region="eu-central-1",
            lambda_reserved_concurrency=50,
            alarm_emails=(ADDRESS,),
            fraud_webhook_url="https://fraud.bank.example/alerts",
            lambda_subnet_ids=tuple(subnets[:2]),
            lambda_security_group_ids=(ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"],),
        )
        account.redshift.answer_for(account.clients)
        resources, outputs = in_order(account.resources()), dict[str, Properties | None]()
        for resource in resources:
            account.calls.clear()
            _make(resource, outputs)
            _add(found, resource.type, account.calls.made)
        for resource in reversed(resources):
            account.calls.clear()
            _quietly(resource.delete)
            _add(found, resource.type, account.calls.made)
    return found


def _make(resource: Resource, outputs: dict[str, Properties | None]) -> None:
    _quietly(resource.read)
    _quietly(lambda: resource.create(resolve(resource.properties, outputs)))
    outputs[resource.id] = _quietly(resource.read)
    desired = resource.desired(outputs)
    for name in desired.keys() - resource.immutable:
        _quietly(lambda name=name: resource.update(frozenset({name}), desired))


def _quietly(call: Any) -> Any:
    """The emulator does not implement some calls, and refuses some that change nothing; they were made all the same."""
    try:
        return call()
    except Exception:
        return None


def _add(found: dict[str, set[str]], type_: str, made: list[str]) -> None:
    found.setdefault(type_, set()).update(action for call in made for action in actions_of(*call.split(".", 1)))


def test_every_recorded_call_is_permitted_beside_its_type(recorded: dict[str, set[str]]) -> None:
    permitted: dict[str, set[str]] = {}
    for each in TYPES.values():
        permitted.setdefault(each.type, set()).update(each.permissions.split())
    missing = {type_: actions - permitted[type_] for type_, actions in recorded.items()}
    assert {type_: actions for type_, actions in missing.items() if actions} == {}


@pytest.mark.parametrize("name", TYPES)
def test_every_permission_beside_a_type_is_that_of_a_call(name: str, recorded: dict[str, set[str]]) -> None:
    class_ = TYPES[name]
    named = words(class_).union(*(words(module) for module in ELSEWHERE.get(class_.type, ())))
    in_code = {action for word in named for call in methods().get(word, ()) for action in actions_of(*call)}
    seen = in_code | recorded.get(class_.type, set()) | UNSEEN.get(class_.type, set())
    assert set(class_.permissions.split()) - seen == set()


def test_what_a_deployer_may_do_is_what_plan_apply_destroy_and_the_lock_need() -> None:
    needed = set(environment_lock.PERMISSIONS.split())
    for each in TYPES.values():
        needed |= set(f"{each.permissions} {each.implied}".split())
    assert allowed(operate=False) == needed


def test_what_operating_takes_beside_is_what_the_day_to_day_commands_need() -> None:
    needed = {action for module in OPERATING.values() for action in module.PERMISSIONS.split()}
    assert allowed(operate=True) <= needed <= allowed(operate=True) | allowed(operate=False)


def test_every_command_on_an_account_says_what_it_needs() -> None:
    assert {name for name, module in COMMANDS.items() if not hasattr(module, "PERMISSIONS")} == OF_RESOURCES


def test_erasing_is_no_part_of_it() -> None:
    """The deployer can remove whole buckets' objects, and no row: it may not write where an erasure is certified."""
    erasing = set(erase.PERMISSIONS.split())
    assert erasing - allowed(operate=True) >= {"s3:DeleteObjectVersion", "glue:UpdateTable"}


def test_no_statement_reaches_clear_card_numbers_or_the_tokenisation_keys() -> None:
    statements = [each for policy in deployer_policies(SETTINGS) for each in policy["Statement"]]
    actions = {action for each in statements for action in listed(each["Action"])}
    assert not actions & {"kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:SubscribeToShard"}
    (reads,) = [each for each in statements if "secretsmanager:GetSecretValue" in listed(each["Action"])]
    assert [resource.rpartition(":secret:")[2] for resource in listed(reads["Resource"])] == [
        "redshift!banking-data-dev-*"
    ]


def test_every_action_is_named_and_every_resource_that_iam_knows() -> None:
    everything: set[str] = set()
    for policy in deployer_policies(SETTINGS):
        for statement in policy["Statement"]:
            assert not any("*" in action for action in listed(statement["Action"]))
            if statement["Resource"] == "*" and "Condition" not in statement:
                everything |= set(listed(statement["Action"]))
    reading = re.compile(r"[a-z0-9-]+:(Get|List|Describe)\w+")
    assert {action for action in everything if not reading.fullmatch(action)} == {
        # IAM knows no resource for these.
        "glue:CreateSecurityConfiguration",
        "glue:DeleteSecurityConfiguration",
        "kms:CreateKey",
        "redshift-serverless:CreateUsageLimit",
        "redshift-serverless:DeleteUsageLimit",
        "redshift-serverless:UpdateUsageLimit",
        "sns:SetSubscriptionAttributes",
        "sns:Unsubscribe",
    }


@pytest.mark.parametrize("operates", [True, False])
def test_each_part_fits_a_managed_policy_with_the_longest_names(operates: bool) -> None:
    longest = Settings(region="ap-southeast-1", environment="test", project="a-bank-s-project")
    parts = deployer_policies(longest, operates=operates)
    assert [size(part) for part in parts if size(part) > MOST_CHARACTERS] == []
    assert len(parts) <= 3  # a role takes ten
    sids = [statement["Sid"] for part in parts for statement in part["Statement"]]
    assert len(sids) == len(set(sids))
    assert any(sid.startswith(OPERATE) for sid in sids) is operates


@pytest.mark.slow
def test_the_commands_make_no_call_that_the_policy_does_not_allow(run: Run, tmp_path: Path) -> None:
    feed = tmp_path / "feed.ndjson"
    feed.write_text('{"transaction_id": "a"}\n', encoding="utf-8")
    made: set[str] = set()
    for arguments in (
        ("apply",),
        ("plan",),
        ("status",),
        ("verify",),
        ("produce", "--input", str(feed)),
        ("reconcile",),
        ("maintain",),
        ("destroy", "--delete-data", "--confirm", "dev"),
    ):
        told = run(*arguments, "-v").stderr
        calls = re.findall(r" ([a-z0-9-]+)\.([A-Z][A-Za-z0-9]+)$", told, re.MULTILINE)
        assert calls, arguments
        made |= {action for call in calls for action in actions_of(*call)}
    assert made - allowed(operate=True) - allowed(operate=False) == set()
    assert {"kinesis:PutRecords", "cloudwatch:GetMetricStatistics", "kms:ScheduleKeyDeletion"} <= made
