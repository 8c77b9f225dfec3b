"""Make the bucket that keeps Terraform's state of one environment, and print the init that uses it.

    python scripts/create_terraform_state_bucket.py --environment dev

Terraform cannot keep its state in a bucket that it is still to make, so this one is made beforehand, by the same
planner as everything else: run it again and it mends what differs. Nothing removes it: old versions are the way back.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console

from data_storage.s3_bucket import Bucket, BucketPolicy
from data_storage.s3_bucket_setup import INCOMPLETE_UPLOAD_DAYS, POLICY_TEMPLATE, PUBLIC_ACCESS_BLOCK
from infrastructure import provisioning
from infrastructure.errors import PlatformError
from infrastructure.executor import execute
from infrastructure.plan import make_plan
from infrastructure.policy_template import policy_from
from infrastructure.resource import Clients, Resource
from infrastructure.settings import ENVIRONMENTS, Settings

OLD_VERSION_DAYS = 365
_PART = "data_storage"
_STATEMENTS = ("DenyInsecureTransport", "DenyOutdatedTls", "DenyOtherAccounts")


def state_bucket_name(settings: Settings) -> str:
    """The bucket of an environment's state; shorter than the longest bucket of the platform, so it always fits."""
    return f"{settings.prefix}-tfstate-{settings.account_id}-{settings.region}"


def resources(settings: Settings, clients: Clients) -> list[Resource]:
    """The bucket and its policy.

    An emulator gets no policy: moto refuses every object call under a Deny, whatever its condition, and Terraform could
    not write its state.
    """
    name = state_bucket_name(settings)
    bucket = Bucket(
        part=_PART,
        name=name,
        clients=clients,
        region=settings.region,
        account_id=settings.account_id,
        properties={
            "ObjectLock": None,  # Terraform removes its lock object after each command
            "Versioning": "Enabled",
            # S3's own key: one of the platform's would lie in the state that it encrypts.
            "Encryption": {"SSEAlgorithm": "aws:kms", "BucketKeyEnabled": True},
            "PublicAccessBlock": PUBLIC_ACCESS_BLOCK,
            "ObjectOwnership": "BucketOwnerEnforced",
            "LifecycleRules": [
                {
                    "ID": "all-objects",
                    "Status": "Enabled",
                    "Filter": {"Prefix": ""},
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": INCOMPLETE_UPLOAD_DAYS},
                    "NoncurrentVersionExpiration": {"NoncurrentDays": OLD_VERSION_DAYS},
                }
            ],
            "Logging": None,  # the access-logs bucket is in the state, so it is not there yet
            "Tags": settings.all_tags | {"Purpose": "terraform-state"},
        },
    )
    if clients.emulated:
        return [bucket]
    values = {"bucket_arn": f"arn:{settings.partition}:s3:::{name}", "account_id": settings.account_id}
    policy = BucketPolicy(
        part=_PART,
        name=name,
        clients=clients,
        depends_on=(bucket.id,),
        properties={"PolicyDocument": policy_from(POLICY_TEMPLATE, values, _STATEMENTS)},
    )
    return [bucket, policy]


def main(argv: list[str] | None = None) -> int:
    """Make or mend the bucket; the exit status (0 done, 1 error)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", choices=ENVIRONMENTS, help="default: ENVIRONMENT of .env, else dev")
    parser.add_argument("--region", help="default: AWS_REGION, else the profile's")
    parser.add_argument("--profile", help="of ~/.aws/config; default: AWS_PROFILE")
    arguments = parser.parse_args(argv)
    try:
        target = provisioning.find_target(arguments, changing=True)
        settings = target.settings
        planned = make_plan(resources(settings, target.clients), emulated=target.clients.emulated)
        target.console.show_plan(planned)
        execute(planned, emulated=target.clients.emulated, on_progress=target.console.show_progress).raise_for_errors()
    except PlatformError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]error:[/] {error}")
        return 1
    print(
        "\nterraform -chdir=infrastructure/terraform init"
        f" -backend-config=bucket={state_bucket_name(settings)} -backend-config=region={settings.region}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
