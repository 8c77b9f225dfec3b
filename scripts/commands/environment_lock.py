"""One command at a time changes an environment: its lock lies in the artifacts bucket."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from botocore.exceptions import ClientError

from infrastructure.aws.s3 import settled
from infrastructure.aws.s3_lock import Holder, lock_held
from infrastructure.planning.aws_errors import error_code, explain, is_already_there
from infrastructure.planning.plan import Action, Step
from infrastructure.references import bucket_id
from scripts.commands.account import Account

# The IAM actions that the lock needs.
PERMISSIONS = "kms:Decrypt kms:GenerateDataKey s3:DeleteObjectVersion s3:GetObject s3:PutObject"


@contextlib.contextmanager
def environment_locked(account: Account, command: str, steps: Sequence[Step]) -> Iterator[bool]:
    """The environment's lock. Yields whether there is one: only a plan that makes the bucket makes it for the lock.

    On the first day there is no bucket yet. Then its creation is the mutex, because one caller alone succeeds with it
    (in us-east-1 all do, and the lock that is put next tells them apart). Raises PlatformError that names another
    holder.
    """
    bucket = account.settings.bucket("artifacts")
    holder = Holder(account.caller, command)
    with contextlib.ExitStack() as exits:

        def enter() -> None:
            s3 = account.clients("s3")
            exits.enter_context(lock_held(s3, bucket, holder, emulated=account.clients.emulated))

        try:
            if _make_bucket(account, steps):
                settled(enter)
            else:
                enter()
        except ClientError as error:
            if error_code(error) != "NoSuchBucket":
                raise explain(error, f"lock in {bucket}") from error
            yield False
        else:
            yield True


def _make_bucket(account: Account, steps: Sequence[Step]) -> bool:
    """Make the artifacts bucket if one of these steps would; whether one does. The plan that follows configures it."""
    id_ = bucket_id(account.settings, "artifacts")
    step = next((step for step in steps if step.resource.id == id_ and step.action is Action.CREATE), None)
    if step is None:
        return False
    try:
        step.resource.create(step.resource.properties)
    except ClientError as error:
        if not is_already_there(error):
            raise
    return True
