"""Write the import blocks with which Terraform takes over the stream, buckets and keys that exist in an account.

    python scripts/generate_terraform_imports.py --environment dev     # writes infrastructure/terraform/imports.tf
    terraform -chdir=infrastructure/terraform plan -var-file=environments/dev.tfvars

Only reads the account. What does not exist gets no block, so Terraform plans to create it; what differs from the
settings is named, because Terraform would change it. docs/terraform.md has the whole way.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console

from data_ingestion import create_kinesis_stream
from data_storage import s3_bucket_setup
from infrastructure import provisioning
from infrastructure.errors import PlatformError
from infrastructure.plan import Action, Plan, make_plan
from infrastructure.resource import Clients, Resource, resource_id
from infrastructure.settings import BUCKET_PURPOSES, ENVIRONMENTS, KEY_PURPOSES, Settings
from security import kms_keys

TERRAFORM_FOLDER = Path(__file__).resolve().parents[1] / "infrastructure" / "terraform"

# Each resource of modules/bucket, and the property of the bucket that says whether it exists; "" always does.
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
    """One import block. to: the address in infrastructure/terraform; id: what the provider finds the object by."""

    to: str
    id: str

    def __str__(self) -> str:
        return f"import {{\n  to = {self.to}\n  id = {json.dumps(self.id)}\n}}\n"


def covered_resources(settings: Settings, clients: Clients) -> list[Resource]:
    """What the boto3 side declares of that which infrastructure/terraform covers too."""
    return [
        resource
        for module in (kms_keys, s3_bucket_setup, create_kinesis_stream)
        for resource in module.resources(settings, clients)
    ]


def imports(settings: Settings, plan: Plan) -> list[Import]:
    """The import blocks for what the plan of covered_resources found to exist.

    Raises PlatformError on a key that waits for its deletion: Terraform would import it and leave it waiting.
    """
    actual = {step.resource.id: step.actual for step in plan.steps if step.actual is not None}
    return [*_keys(settings, actual), *_stream(settings, actual), *_buckets(settings, actual)]


def _keys(settings: Settings, actual: Mapping[str, Mapping[str, Any]]) -> Iterator[Import]:
    for purpose in KEY_PURPOSES:
        key = actual.get(kms_keys.key_id(settings, purpose))
        alias = settings.key_alias(purpose)
        if key is None:
            continue
        if key["KeyState"] == "PendingDeletion":
            raise PlatformError(
                f"key {alias}", "waits for its deletion", "Take it up again with orchestrate_pipeline.py apply first."
            )
        yield Import(f'aws_kms_key.this["{purpose}"]', key["KeyId"])
        if resource_id(kms_keys.Alias.type, alias) in actual:
            yield Import(f'aws_kms_alias.this["{purpose}"]', alias)


def _stream(settings: Settings, actual: Mapping[str, Mapping[str, Any]]) -> Iterator[Import]:
    if create_kinesis_stream.stream_id(settings) in actual:
        yield Import("aws_kinesis_stream.transactions", settings.stream_name)


def _buckets(settings: Settings, actual: Mapping[str, Mapping[str, Any]]) -> Iterator[Import]:
    for purpose in BUCKET_PURPOSES:
        bucket = actual.get(s3_bucket_setup.bucket_id(settings, purpose))
        if bucket is None:
            continue
        module = "module.access_logs_bucket" if purpose == "access-logs" else f'module.bucket["{purpose}"]'
        for address, property_ in _BUCKET_RESOURCES.items():
            if not property_ or bucket[property_]:
                yield Import(f"{module}.{address}", settings.bucket(purpose))
        if s3_bucket_setup.bucket_policy_id(settings, purpose) in actual:
            yield Import(f"{module}.aws_s3_bucket_policy.this", settings.bucket(purpose))


def main(argv: list[str] | None = None) -> int:
    """Write the file; the exit status (0 written, 1 error)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", choices=ENVIRONMENTS, help="default: ENVIRONMENT of .env, else dev")
    parser.add_argument("--region", help="default: AWS_REGION, else the profile's")
    parser.add_argument("--profile", help="of ~/.aws/config; default: AWS_PROFILE")
    parser.add_argument("--output", type=Path, default=TERRAFORM_FOLDER / "imports.tf", metavar="FILE")
    arguments = parser.parse_args(argv)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        target = provisioning.find_target(arguments)
        plan = make_plan(covered_resources(target.settings, target.clients), emulated=target.clients.emulated)
        blocks = imports(target.settings, plan)
        if not blocks:
            raise PlatformError(
                f"environment {target.settings.environment}",
                "has no stream, bucket or key to import",
                "Check account, region and PROJECT above, or let Terraform create them.",
            )
        _write(arguments.output, target.settings, blocks)
    except PlatformError as error:
        console.print(f"[bold red]error:[/] {error}")
        return 1
    console.print(f"{len(blocks)} import blocks in {arguments.output}")
    for step in plan.changes:
        what = "does not exist" if step.action is Action.CREATE else "differs from the settings"
        console.print(f"[yellow]{what}, Terraform would {step.action.value} it:[/] {step.resource.id}")
    return 0


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
