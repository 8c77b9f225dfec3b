"""Names, ids and ARNs that follow from settings alone, so that one folder can refer to what another declares.

An id is what depends_on takes; a Ref is an output that AWS assigns, known once its resource exists.
"""

from __future__ import annotations

from infrastructure.aws.iam import Role, RolePolicy
from infrastructure.aws.kinesis import Stream
from infrastructure.aws.kms import Key
from infrastructure.aws.redshift import WarehouseSchema
from infrastructure.aws.redshift_data import WarehouseTarget
from infrastructure.aws.s3 import Bucket, BucketPolicy
from infrastructure.aws.secretsmanager import Secret
from infrastructure.planning.resource import Ref, resource_id
from infrastructure.settings import Settings

LOG_KEY_PURPOSE = "audit"
# Metrics counted from the audit trail; an alarm watches each.
FOREIGN_STREAM_READS_METRIC = "StreamReadsByOthers"
FOREIGN_TOKEN_KEY_READS_METRIC = "TokenKeyReadsByOthers"
GLUE_LOG_GROUPS = "/aws-glue/jobs"  # the common prefix of Glue's log groups
NETWORK_POLICY = "network"  # added to the lambda role where the function stands in a network
WAREHOUSE_LOAD_POLICY = "warehouse-load"  # added to the glue role where there is a warehouse


def stream_id(settings: Settings) -> str:
    return resource_id(Stream.type, settings.stream_name)


def stream_incarnation(settings: Settings) -> Ref:
    """When the stream was created, e.g. 20261123T125500Z: sequence numbers start anew with each stream."""
    return Ref(stream_id(settings), "Incarnation")


def bucket_id(settings: Settings, purpose: str) -> str:
    return resource_id(Bucket.type, settings.bucket(purpose))


def bucket_policy_id(settings: Settings, purpose: str) -> str:
    return resource_id(BucketPolicy.type, settings.bucket(purpose))


def key_id(settings: Settings, purpose: str) -> str:
    return resource_id(Key.type, settings.key_alias(purpose).removeprefix("alias/"))


def key_arn(settings: Settings, purpose: str) -> Ref:
    return Ref(key_id(settings, purpose), "Arn")


def secret_id(settings: Settings) -> str:
    return resource_id(Secret.type, settings.tokenization_secret_name)


def secret_arn(settings: Settings) -> Ref:
    """The ARN of the tokenisation secret; Secrets Manager appends six random characters to it."""
    return Ref(secret_id(settings), "Arn")


def role_id(settings: Settings, purpose: str) -> str:
    return resource_id(Role.type, settings.role_name(purpose))


def fraud_function_name(settings: Settings) -> str:
    """The function that raises alerts seconds after the landing."""
    return f"{settings.prefix}-detect-fraud"


def fraud_queue_name(settings: Settings) -> str:
    """The queue that tells that function of each raw object."""
    return f"{settings.prefix}-fraud-objects"


def fraud_failures_queue_name(settings: Settings) -> str:
    """The dead-letter queue of that queue."""
    return f"{fraud_queue_name(settings)}-failures"


def fraud_table_name(settings: Settings) -> str:
    """The table of what the rules remember, and of the alerts."""
    return f"{settings.prefix}-fraud"


def fraud_topic_name(settings: Settings) -> str:
    """The topic that is told of alerts."""
    return f"{settings.prefix}-fraud-alerts"


def webhook_function_name(settings: Settings) -> str:
    """The function that posts alerts to the webhook."""
    return f"{settings.prefix}-deliver-alerts"


def webhook_queue_name(settings: Settings) -> str:
    """The queue of alerts that the webhook is yet to be told of."""
    return f"{settings.prefix}-fraud-webhook"


def webhook_failures_queue_name(settings: Settings) -> str:
    """The dead-letter queue of that queue."""
    return f"{webhook_queue_name(settings)}-failures"


def webhook_secret_name(settings: Settings) -> str:
    """The secret that signs what the webhook is told."""
    return f"{settings.prefix}/fraud-webhook-secret"


def webhook_secret_id(settings: Settings) -> str:
    return resource_id(Secret.type, webhook_secret_name(settings))


def fraud_notification_id(settings: Settings) -> str:
    """The id of the raw bucket's notification."""
    return fraud_queue_name(settings)


def trail_log_group(settings: Settings) -> str:
    return f"/aws/cloudtrail/{settings.trail_name}"


def warehouse_name(settings: Settings) -> str:
    """The name of the platform's own namespace and workgroup."""
    return settings.prefix


def warehouse_target(settings: Settings) -> WarehouseTarget:
    """The warehouse, for whoever calls: the Data API logs them in as the database user of their IAM identity."""
    cluster = settings.redshift_cluster
    return WarehouseTarget(
        database=settings.warehouse_database,
        schema=settings.warehouse_schema,
        copy_role_arn=settings.role_arn("redshift"),
        workgroup=None if cluster else settings.redshift_workgroup or warehouse_name(settings),
        cluster=cluster or None,
    )


def warehouse_schema_name(settings: Settings) -> str:
    """The name of the schema resource: workgroup or cluster, slash, schema."""
    target = warehouse_target(settings)
    return f"{target.workgroup or target.cluster}/{settings.warehouse_schema}"


def warehouse_load_policy_name(settings: Settings) -> str:
    return f"{settings.role_name('glue')}/{WAREHOUSE_LOAD_POLICY}"


def load_ids(settings: Settings) -> tuple[str, ...]:
    """The ids of what a load needs: the warehouse's schema and the job's right to use it. Empty without a warehouse."""
    if not settings.redshift_enabled:
        return ()
    return (
        resource_id(WarehouseSchema.type, warehouse_schema_name(settings)),
        resource_id(RolePolicy.type, warehouse_load_policy_name(settings)),
    )
