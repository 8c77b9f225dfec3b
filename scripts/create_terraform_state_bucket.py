"""Make the bucket that keeps Terraform's state of one environment, and print the `terraform init` that uses it.

    python scripts/create_terraform_state_bucket.py --environment dev

Terraform cannot keep its state in a bucket that it has yet to make, so this one is made beforehand, by the same planner
as everything else: a second run mends what differs. Nothing removes it, because its old versions are the way back.
"""

from __future__ import annotations

import sys

from data_storage.s3_bucket_setup import INCOMPLETE_UPLOAD_DAYS, POLICY_TEMPLATE, PUBLIC_ACCESS_BLOCK, SMALLEST_MOVED
from infrastructure.aws.policy_template import policy_from
from infrastructure.aws.s3 import Bucket, BucketPolicy
from infrastructure.errors import PlatformError
from infrastructure.planning.apply import execute
from infrastructure.planning.plan import make_plan
from infrastructure.planning.resource import Clients, Resource
from infrastructure.provisioning import PARTS
from infrastructure.settings import Settings
from scripts.commands.account import find_account
from scripts.commands.plan_view import PlanView
from scripts.commands.terminal import EXIT_ERROR, EXIT_OK, Parser, add_account_options, console, print_error

OLD_VERSION_DAYS = 365
_PART = "data_storage"
_STATEMENTS = ("DenyInsecureTransport", "DenyOutdatedTls", "DenyOtherAccounts")


def state_bucket_name(settings: Settings) -> str:
    """The bucket of an environment's state. Its name is shorter than the platform's longest, so it always fits."""
    return f"{settings.prefix}-tfstate-{settings.account_id}-{settings.region}"


def resources(settings: Settings, clients: Clients) -> list[Resource]:
    """The bucket and its policy.

    An emulator gets no policy: moto refuses every object call under a Deny, whatever its condition, so Terraform could
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
            # S3's own key, because a key of the platform would be part of the state that it encrypts.
            "Encryption": {"SSEAlgorithm": "aws:kms", "BucketKeyEnabled": True},
            "PublicAccessBlock": PUBLIC_ACCESS_BLOCK,
            "ObjectOwnership": "BucketOwnerEnforced",
            "TransitionDefaultMinimumObjectSize": SMALLEST_MOVED,
            "LifecycleRules": [
                {
                    "ID": "all-objects",
                    "Status": "Enabled",
                    "Filter": {"Prefix": ""},
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": INCOMPLETE_UPLOAD_DAYS},
                    "NoncurrentVersionExpiration": {"NoncurrentDays": OLD_VERSION_DAYS},
                }
            ],
            "Logging": None,  # the access-logs bucket is made from this state, so it does not exist yet
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
    parser = Parser(description=__doc__)
    add_account_options(parser)
    arguments = parser.parse_args(argv)
    try:
        account = find_account(arguments, changing=True)
        settings = account.settings
        planned = make_plan(resources(settings, account.clients), emulated=account.clients.emulated)
        view = PlanView(console(), PARTS)
        view.show_plan(planned)
        execute(planned, emulated=account.clients.emulated, on_progress=view.show_progress).raise_for_errors()
    except PlatformError as error:
        print_error(error)
        return EXIT_ERROR
    print(
        "\nterraform -chdir=infrastructure/terraform init"
        f" -backend-config=bucket={state_bucket_name(settings)} -backend-config=region={settings.region}"
    )
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
