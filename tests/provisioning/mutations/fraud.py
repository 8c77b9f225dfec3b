"""The fraud stream's table, notification, queue, mapping and topic, broken one setting at a time."""

from __future__ import annotations

import json
from typing import Any

from moto.dynamodb.models import dynamodb_backends

from infrastructure.planning.compare import ABSENT
from infrastructure.references import (
    fraud_failures_queue_name,
    fraud_function_name,
    fraud_queue_name,
    fraud_table_name,
    fraud_topic_name,
    webhook_function_name,
    webhook_secret_name,
)
from tests.provisioning.mutations.mutation import (
    OTHER_ROOT,
    ByHand,
    Mutation,
    Rows,
    WholeAccount,
    add,
    change,
    edited,
    policy_of,
)

TABLE, NOTIFICATION = "AWS::DynamoDB::Table", "AWS::S3::BucketNotification"
MAPPING, QUEUE, TOPIC, FUNCTION = (
    "AWS::Lambda::EventSourceMapping",
    "AWS::SQS::Queue",
    "AWS::SNS::Topic",
    "AWS::Lambda::Function",
)


def dynamodb(a: WholeAccount) -> Any:
    return a.client("dynamodb")


def table(a: WholeAccount) -> str:
    return fraud_table_name(a.settings)


def change_table(**changed: Any) -> ByHand:
    return lambda a: dynamodb(a).update_table(TableName=table(a), **changed)


def encrypted_with(key: str) -> ByHand:
    """Change what moto holds of the table and cannot update. key: a purpose, or an alias of AWS's own."""

    def by_hand(a: WholeAccount) -> None:
        arn = a.client("kms").describe_key(KeyId=a.settings.key_alias(key))["KeyMetadata"]["Arn"] if key else None
        held = dynamodb_backends[a.settings.account_id][a.settings.region].tables[table(a)]
        held.sse_specification = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": arn or "alias/aws/dynamodb"}

    return by_hand


def forget_nothing(a: WholeAccount) -> None:
    dynamodb(a).update_time_to_live(
        TableName=table(a), TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires_at"}
    )


def let_read(a: WholeAccount) -> None:
    arn = a.settings.arn("dynamodb", f"table/{table(a)}")
    policy = policy_of(Principal={"AWS": OTHER_ROOT}, Action="dynamodb:GetItem", Resource=arn)
    dynamodb(a).put_resource_policy(ResourceArn=arn, Policy=policy)


def notification(**changed: Any) -> ByHand:
    """Change parts of the raw bucket's notification; without parts it goes."""

    def by_hand(a: WholeAccount) -> None:
        s3, bucket = a.client("s3"), a.settings.bucket("raw")
        (found,) = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
        kept = {"QueueConfigurations": [found | changed]} if changed else {}
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=kept)

    return by_hand


def tell_another_queue(a: WholeAccount) -> None:
    notification(QueueArn=a.settings.on_failure_queue_arn)(a)


def uuid(a: WholeAccount) -> str:
    found = a.client("lambda").list_event_source_mappings(FunctionName=fraud_function_name(a.settings))
    id_: str = found["EventSourceMappings"][0]["UUID"]
    return id_


def mapping(**changed: Any) -> ByHand:
    return lambda a: a.client("lambda").update_event_source_mapping(UUID=uuid(a), **changed)


def queue(**attributes: str) -> ByHand:
    """Set attributes; the policy is sent along, because moto would drop it."""

    def by_hand(a: WholeAccount) -> None:
        sqs = a.client("sqs")
        url = sqs.get_queue_url(QueueName=fraud_queue_name(a.settings))["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes=found | attributes)

    return by_hand


def give_up_at_once(a: WholeAccount) -> None:
    arn = a.settings.arn("sqs", fraud_failures_queue_name(a.settings))
    queue(RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1}))(a)


def let_publish(a: WholeAccount) -> None:
    arn = a.settings.arn("sns", fraud_topic_name(a.settings))
    found = a.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"]
    policy = edited(found, add(Principal={"AWS": OTHER_ROOT}, Action="sns:Publish", Resource=arn))
    a.client("sns").set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)


def wrap_messages(a: WholeAccount) -> None:
    sns, topic = a.client("sns"), a.settings.arn("sns", fraud_topic_name(a.settings))
    (ours,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    sns.set_subscription_attributes(
        SubscriptionArn=ours["SubscriptionArn"], AttributeName="RawMessageDelivery", AttributeValue="false"
    )


def let_read_the_secret(a: WholeAccount) -> None:
    manager, name = a.client("secretsmanager"), webhook_secret_name(a.settings)
    policy = manager.get_resource_policy(SecretId=name)["ResourcePolicy"]
    readers = [a.settings.role_arn(purpose) for purpose in ("webhook", "fraud")]
    edit = change("ReadByTheFunctionAndBreakGlassAlone", Condition={"ArnNotEquals": {"aws:PrincipalArn": readers}})
    manager.put_resource_policy(SecretId=name, ResourcePolicy=edited(policy, edit))


def post_elsewhere(a: WholeAccount) -> None:
    lambda_, name = a.client("lambda"), webhook_function_name(a.settings)
    variables = lambda_.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    environment = {"Variables": variables | {"WEBHOOK_URL": "https://elsewhere.example"}}
    lambda_.update_function_configuration(FunctionName=name, Environment=environment)


FRAUD: Rows = {
    "alerts reach the webhook's queue in an envelope": Mutation(
        "AWS::SNS::Subscription", "RawMessageDelivery", wrap_messages, new=True
    ),
    "others may read the webhook's secret": Mutation(
        "AWS::SecretsManager::Secret", "ResourcePolicy", let_read_the_secret, "secret-readers"
    ),
    "alerts are posted elsewhere": Mutation(FUNCTION, "Environment.WEBHOOK_URL", post_elsewhere),
    "the fraud table encrypted with AWS's own key": Mutation(
        TABLE, "KMSMasterKeyId", encrypted_with(""), "table-encryption", undo=encrypted_with("data")
    ),
    "the fraud table paid by the hour": Mutation(
        TABLE,
        "BillingMode",
        change_table(
            BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
        ),
        old="PROVISIONED",
        new="PAY_PER_REQUEST",
    ),
    "the fraud table can be deleted": Mutation(
        TABLE, "DeletionProtectionEnabled", change_table(DeletionProtectionEnabled=False), old=False, new=True
    ),
    "the fraud table forgets nothing": Mutation(TABLE, "TimeToLiveAttribute", forget_nothing, "table-forgets", ABSENT),
    "the fraud table is backed up": Mutation(
        TABLE,
        "PointInTimeRecovery",
        lambda a: dynamodb(a).update_continuous_backups(
            TableName=table(a), PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        ),
        "table-forgets",
        "ENABLED",
        "DISABLED",
    ),
    "the fraud table hands on its items": Mutation(
        TABLE,
        "StreamViewType",
        change_table(StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}),
        "table-not-copied",
        "NEW_IMAGE",
        ABSENT,
    ),
    "another account may read the fraud table": Mutation(TABLE, "ResourcePolicy", let_read, "table-strangers"),
    "a tag of the fraud table changed": Mutation(
        TABLE,
        "Tags.Environment",
        lambda a: dynamodb(a).tag_resource(
            ResourceArn=a.settings.arn("dynamodb", f"table/{table(a)}"),
            Tags=[{"Key": "Environment", "Value": "prod"}],
        ),
        old="prod",
        new="dev",
    ),
    "the raw bucket tells of no object": Mutation(NOTIFICATION, "QueueArn", notification(), old=ABSENT),
    "the raw bucket tells another queue": Mutation(NOTIFICATION, "QueueArn", tell_another_queue),
    "the raw bucket tells of removed objects": Mutation(
        NOTIFICATION, "Events", notification(Events=["s3:ObjectRemoved:*"]), old=["s3:ObjectRemoved:*"]
    ),
    "the raw bucket tells of other objects": Mutation(
        NOTIFICATION,
        "Filter.prefix",
        notification(Filter={"Key": {"FilterRules": [{"Name": "prefix", "Value": "raw/control/"}]}}),
        old="raw/control/",
    ),
    "more objects at once": Mutation(
        MAPPING, "ScalingConfig", mapping(ScalingConfig={"MaximumConcurrency": 500}), new=10
    ),
    "messages are collected": Mutation(MAPPING, "BatchSize", mapping(BatchSize=10), old=10, new=1),
    "a message of an object is given up at once": Mutation(
        QUEUE, "RedrivePolicy.maxReceiveCount", give_up_at_once, old=1, new=5
    ),
    "a message of an object comes again while it is looked at": Mutation(
        QUEUE, "VisibilityTimeout", queue(VisibilityTimeout="1"), old=1, new=360
    ),
    "another account may tell of alerts": Mutation(TOPIC, "Policy.Statement[Hole]", let_publish, "topic-strangers"),
    "the fraud function under another role": Mutation(
        FUNCTION,
        "Role",
        lambda a: a.client("lambda").update_function_configuration(
            FunctionName=fraud_function_name(a.settings), Role=a.settings.role_arn("lambda")
        ),
    ),
}
