"""Write the import blocks with which Terraform takes over an account's existing stream, buckets and keys.

    python scripts/generate_terraform_imports.py --environment dev     # writes infrastructure/terraform/imports.tf
    terraform -chdir=infrastructure/terraform plan -var-file=environments/dev.tfvars

Only reads the account. What does not exist gets no block, so Terraform plans to create it. What differs from the
settings is printed, because Terraform would change it. docs/terraform.md describes the whole procedure.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_ingestion import create_kinesis_stream
from data_storage import s3_bucket_setup
from infrastructure.aws.kms import Alias
from infrastructure.errors import PlatformError
from infrastructure.planning.plan import Action, Plan, make_plan
from infrastructure.planning.resource import Clients, Resource, resource_id
from infrastructure.references import bucket_id, bucket_policy_id, key_id, stream_id
from infrastructure.settings import BUCKET_PURPOSES, KEY_PURPOSES, Settings
from scripts.commands.account import find_account
from scripts.commands.terminal import EXIT_ERROR, EXIT_OK, Parser, add_account_options, console, print_error
from security import kms_keys

TERRAFORM_FOLDER = Path(__file__).resolve().parents[1] / "infrastructure" / "terraform"

# Each resource of modules/bucket -> the bucket's property that says whether it exists; "": it always does.
_BUCKET_RESOURCES = {
    "aws_s3_bucket.this": "",
    "aws_s3_bucket_public_access_block.this": "PublicAccessBlock",
    "aws_s3_bucket_ownership_controls.this": "ObjectOwnership",
    "aws_s3_bucket_server_side_encryption_configuration.this": "Encryption",
    "aws_s3_bucket_versioning.this": "Versioning",
    "aws_s3_bucket_object_lock_configuration.this[0]": "ObjectLock",
    "aws_s3_bucket_lifecycle_configuration.this": "LifecycleRules",
    "aws_s3_bucket_logging.this[0]": "Logging",
}


@dataclass(frozen=True, slots=True)
class Import:
    """One import block. to: the address in infrastructure/terraform; id: how the provider finds the resource."""

    to: str
    id: str

    def __str__(self) -> str:
        return f"import {{\n  to = {self.to}\n  id = {json.dumps(self.id)}\n}}\n"


def covered_resources(settings: Settings, clients: Clients) -> list[Resource]:
    """The boto3 side's declarations that infrastructure/terraform covers too."""
    return [
        resource
        for module in (kms_keys, s3_bucket_setup, create_kinesis_stream)
        for resource in module.resources(settings, clients)
    ]


def imports(settings: Settings, plan: Plan) -> list[Import]:
    """The import blocks for what exists, by the plan of covered_resources.

    Raises PlatformError on a key that is pending deletion, because Terraform would import it in that state.
    """
    actual = {step.resource.id: step.actual for step in plan.steps if step.actual is not None}
    return [*_keys(settings, actual), *_stream(settings, actual), *_buckets(settings, actual)]


def _keys(settings: Settings, actual: Mapping[str, Mapping[str, Any]]) -> Iterator[Import]:
    for purpose in KEY_PURPOSES:
        key = actual.get(key_id(settings, purpose))
        alias = settings.key_alias(purpose)
        if key is None:
            continue
        if key["KeyState"] == "PendingDeletion":
            raise PlatformError(
                f"key {alias}", "waits for its deletion", "Take it up again with orchestrate_pipeline.py apply first."
            )
        yield Import(f'aws_kms_key.this["{purpose}"]', key["KeyId"])
        if resource_id(Alias.type, alias) in actual:
            yield Import(f'aws_kms_alias.this["{purpose}"]', alias)


def _stream(settings: Settings, actual: Mapping[str, Mapping[str, Any]]) -> Iterator[Import]:
    if stream_id(settings) in actual:
        yield Import("aws_kinesis_stream.transactions", settings.stream_name)


def _buckets(settings: Settings, actual: Mapping[str, Mapping[str, Any]]) -> Iterator[Import]:
    for purpose in BUCKET_PURPOSES:
        bucket = actual.get(bucket_id(settings, purpose))
        if bucket is None:
            continue
        module = "module.access_logs_bucket" if purpose == "access-logs" else f'module.bucket["{purpose}"]'
        for address, property_ in _BUCKET_RESOURCES.items():
            if not property_ or bucket[property_]:
                yield Import(f"{module}.{address}", settings.bucket(purpose))
        if bucket_policy_id(settings, purpose) in actual:
            yield Import(f"{module}.aws_s3_bucket_policy.this", settings.bucket(purpose))


def main(argv: list[str] | None = None) -> int:
    """Write the file; the exit status (0 written, 1 error)."""
    parser = Parser(description=__doc__)
    add_account_options(parser)
    parser.add_argument("--output", type=Path, default=TERRAFORM_FOLDER / "imports.tf", metavar="FILE")
    arguments = parser.parse_args(argv)
    try:
        account = find_account(arguments)
        plan = make_plan(covered_resources(account.settings, account.clients), emulated=account.clients.emulated)
        blocks = imports(account.settings, plan)
        if not blocks:
            raise PlatformError(
                f"environment {account.settings.environment}",
                "has no stream, bucket or key to import",
                "Check account, region and PROJECT above, or let Terraform create them.",
            )
        _write(arguments.output, account.settings, blocks)
    except PlatformError as error:
        print_error(error)
        return EXIT_ERROR
    out = console(stderr=True)
    out.print(f"{len(blocks)} import blocks in {arguments.output}", soft_wrap=True)
    for step in plan.changes:
        what = "does not exist" if step.action is Action.CREATE else "differs from the settings"
        told = f"[yellow]{what}, Terraform would {step.action.value} it:[/] {step.resource.id}"
        out.print(told, soft_wrap=True)
    return EXIT_OK


def _write(path: Path, settings: Settings, blocks: list[Import]) -> None:
    where = f"account {settings.account_id}, region {settings.region}, environment {settings.environment}"
    head = f"# What exists in {where}.\n# Remove this file once it is applied: it fits no other environment.\n\n"
    try:
        path.write_text(head + "\n".join(str(block) for block in blocks), encoding="utf-8")
    except OSError as error:
        raise PlatformError(
            str(path), f"cannot be written ({error.strerror})", "Name another file with --output."
        ) from error


if __name__ == "__main__":
    sys.exit(main())
