"""Stream, function, mapping and queue, broken one setting at a time."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from moto.awslambda.models import lambda_backends

from infrastructure.planning.compare import ABSENT
from tests.provisioning.mutations.mutation import (
    OTHER,
    OTHER_ROOT,
    ByHand,
    Edit,
    Mutation,
    Rows,
    WholeAccount,
    add,
    change,
    edited,
    policy_of,
)

STREAM, FUNCTION, MAPPING, QUEUE = (
    "AWS::Kinesis::Stream",
    "AWS::Lambda::Function",
    "AWS::Lambda::EventSourceMapping",
    "AWS::SQS::Queue",
)
_READ = ["kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:DescribeStreamSummary"]


def kinesis(a: WholeAccount) -> Any:
    return a.client("kinesis")


def stream(a: WholeAccount) -> str:
    return a.settings.stream_name


def let_read(principal: str) -> ByHand:
    return lambda a: kinesis(a).put_resource_policy(
        ResourceARN=a.settings.stream_arn,
        Policy=policy_of(Principal={"AWS": principal}, Action=_READ, Resource=a.settings.stream_arn),
    )


def encrypt_with_aws_key(a: WholeAccount) -> None:
    kinesis(a).start_stream_encryption(StreamName=stream(a), EncryptionType="KMS", KeyId="alias/aws/kinesis")


def stop_encryption(a: WholeAccount) -> None:
    key = kinesis(a).describe_stream_summary(StreamName=stream(a))["StreamDescriptionSummary"]["KeyId"]
    kinesis(a).stop_stream_encryption(StreamName=stream(a), EncryptionType="KMS", KeyId=key)


def function(**changed: Any) -> ByHand:
    return lambda a: a.client("lambda").update_function_configuration(FunctionName=a.settings.function_name, **changed)


def add_a_layer(a: WholeAccount) -> None:
    layer = a.client("lambda").publish_layer_version(LayerName="spy", Content={"ZipFile": b"x"})
    function(Layers=[layer["LayerVersionArn"]])(a)


def let_call(**who: str) -> ByHand:
    return lambda a: a.client("lambda").add_permission(
        FunctionName=a.settings.function_name, StatementId="hole", Action="lambda:InvokeFunction", **who
    )


def other_code(a: WholeAccount) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("spy.py", "pass")
    a.client("lambda").update_function_code(FunctionName=a.settings.function_name, ZipFile=archive.getvalue())


def held(attribute: str, value: Any) -> ByHand:
    """Change what moto holds of the function and cannot update."""

    def by_hand(a: WholeAccount) -> None:
        function = lambda_backends[a.settings.account_id][a.settings.region].get_function(a.settings.function_name)
        setattr(function, attribute, value(a) if callable(value) else value)

    return by_hand


def data_key(a: WholeAccount) -> str:
    found: str = a.client("kms").describe_key(KeyId=a.settings.key_alias("data"))["KeyMetadata"]["Arn"]
    return found


def uuid(a: WholeAccount) -> str:
    found = a.client("lambda").list_event_source_mappings(FunctionName=a.settings.function_name)
    id_: str = found["EventSourceMappings"][0]["UUID"]
    return id_


def mapping(**changed: Any) -> ByHand:
    return lambda a: a.client("lambda").update_event_source_mapping(UUID=uuid(a), **changed)


def feed_another_function(a: WholeAccount) -> None:
    lambda_ = a.client("lambda")
    lambda_.create_function(
        FunctionName="spy",
        Runtime="python3.11",
        Role=a.settings.role_arn("lambda"),
        Handler="x.y",
        Code={"ZipFile": b"x"},
    )
    lambda_.create_event_source_mapping(
        FunctionName="spy", EventSourceArn=a.settings.stream_arn, StartingPosition="LATEST"
    )


def feed_it_no_more(a: WholeAccount) -> None:
    lambda_ = a.client("lambda")
    for each in lambda_.list_event_source_mappings(FunctionName="spy")["EventSourceMappings"]:
        lambda_.delete_event_source_mapping(UUID=each["UUID"])
    lambda_.delete_function(FunctionName="spy")


def url(a: WholeAccount) -> str:
    found: str = a.client("sqs").get_queue_url(QueueName=a.settings.on_failure_queue_name)["QueueUrl"]
    return found


def queue(**attributes: str) -> ByHand:
    """Set attributes; the policy is sent along, because moto would drop it."""

    def by_hand(a: WholeAccount) -> None:
        found = a.client("sqs").get_queue_attributes(QueueUrl=url(a), AttributeNames=["Policy"])["Attributes"]
        a.client("sqs").set_queue_attributes(QueueUrl=url(a), Attributes=found | attributes)

    return by_hand


def queue_policy(edit: Edit) -> ByHand:
    def by_hand(a: WholeAccount) -> None:
        found = a.client("sqs").get_queue_attributes(QueueUrl=url(a), AttributeNames=["Policy"])["Attributes"]
        queue(Policy=edited(found["Policy"], edit))(a)

    return by_hand


def redrive(a: WholeAccount) -> None:
    sqs = a.client("sqs")
    other = sqs.create_queue(QueueName="elsewhere")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=other, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    queue(RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1}))(a)


INGESTION: Rows = {
    "stream retention lowered": Mutation(
        STREAM,
        "RetentionPeriodHours",
        lambda a: kinesis(a).decrease_stream_retention_period(StreamName=stream(a), RetentionPeriodHours=24),
        "stream-retention",
        24,
        168,
    ),
    "stream retention raised": Mutation(
        STREAM,
        "RetentionPeriodHours",
        lambda a: kinesis(a).increase_stream_retention_period(StreamName=stream(a), RetentionPeriodHours=200),
        old=200,
        new=168,
    ),
    "stream encryption off": Mutation(STREAM, "EncryptionKeyId", stop_encryption, "stream-encryption", ABSENT),
    "stream encrypted with AWS's own key": Mutation(
        STREAM, "EncryptionKeyId", encrypt_with_aws_key, "stream-encryption", "alias/aws/kinesis"
    ),
    "a shard metric off": Mutation(
        STREAM,
        "ShardLevelMetrics",
        lambda a: kinesis(a).disable_enhanced_monitoring(
            StreamName=stream(a), ShardLevelMetrics=["IteratorAgeMilliseconds"]
        ),
    ),
    "a tag of the stream changed": Mutation(
        STREAM,
        "Tags.Environment",
        lambda a: kinesis(a).add_tags_to_stream(StreamName=stream(a), Tags={"Environment": "prod"}),
        old="prod",
        new="dev",
    ),
    "the stream's shards fixed": Mutation(
        STREAM,
        "StreamMode",
        lambda a: kinesis(a).update_stream_mode(
            StreamARN=a.settings.stream_arn, StreamModeDetails={"StreamMode": "PROVISIONED"}
        ),
        old="PROVISIONED",
        new="ON_DEMAND",
    ),
    "a consumer reads the stream": Mutation(
        STREAM,
        "Consumers",
        lambda a: kinesis(a).register_stream_consumer(StreamARN=a.settings.stream_arn, ConsumerName="spy"),
        "stream-readers",
        ["spy"],
        [],
    ),
    "another account may read the stream": Mutation(STREAM, "ResourcePolicy", let_read(OTHER_ROOT), "stream-readers"),
    "a role of the account may read the stream, by the stream's policy": Mutation(
        STREAM, "ResourcePolicy", let_read("arn:aws:iam::123456789012:role/analyst")
    ),
    # --- The function ---
    "function memory changed": Mutation(FUNCTION, "MemorySize", function(MemorySize=128), old=128, new=512),
    "function timeout changed": Mutation(FUNCTION, "Timeout", function(Timeout=3), old=3, new=60),
    "function handler changed": Mutation(FUNCTION, "Handler", function(Handler="spy.handler"), old="spy.handler"),
    "function described otherwise": Mutation(FUNCTION, "Description", function(Description="x"), old="x"),
    "function environment changed": Mutation(
        FUNCTION, "Environment.RAW_BUCKET", function(Environment={"Variables": {"RAW_BUCKET": "elsewhere"}})
    ),
    "function environment encrypted with AWS's own key": Mutation(
        FUNCTION,
        "KMSKeyArn",
        held("kms_key_arn", None),
        "function-environment",
        ABSENT,
        undo=held("kms_key_arn", data_key),
    ),
    "function on a runtime without support": Mutation(
        FUNCTION, "Runtime", function(Runtime="python3.8"), "function-runtime", "python3.8", "python3.11"
    ),
    "function under another role": Mutation(FUNCTION, "Role", lambda a: function(Role=a.settings.role_arn("glue"))(a)),
    "function traced no more": Mutation(
        FUNCTION,
        "TracingConfig",
        held("tracing_config", {"Mode": "PassThrough"}),
        old="PassThrough",
        new="Active",
        undo=held("tracing_config", {"Mode": "Active"}),
    ),
    "function with other code": Mutation(FUNCTION, "CodeSha256", other_code),
    "function on another processor": Mutation(
        FUNCTION,
        "Architectures",
        held("architectures", ["x86_64"]),
        old=["x86_64"],
        new=["arm64"],
        undo=held("architectures", ["arm64"]),
    ),
    "reserved concurrency removed": Mutation(
        FUNCTION,
        "ReservedConcurrentExecutions",
        lambda a: a.client("lambda").delete_function_concurrency(FunctionName=a.settings.function_name),
        old=ABSENT,
        new=50,
    ),
    "a layer of code": Mutation(FUNCTION, "Layers", add_a_layer, "function-code"),
    "another account may call the function": Mutation(
        FUNCTION, "ResourcePolicy", let_call(Principal=OTHER), "function-strangers"
    ),
    "everybody may call the function": Mutation(
        FUNCTION, "ResourcePolicy", let_call(Principal="*"), "function-strangers"
    ),
    "a service may call the function on behalf of any account": Mutation(
        FUNCTION, "ResourcePolicy", let_call(Principal="s3.amazonaws.com"), "function-strangers"
    ),
    "a service may call the function on behalf of the account": Mutation(
        FUNCTION, "ResourcePolicy", let_call(Principal="s3.amazonaws.com", SourceAccount="123456789012")
    ),
    "function out of the bank's network": Mutation(
        FUNCTION,
        "VpcConfig",
        function(VpcConfig={"SubnetIds": [], "SecurityGroupIds": []}),
        "function-network",
    ),
    "function in fewer subnets": Mutation(
        FUNCTION,
        "VpcConfig.SubnetIds",
        lambda a: function(
            VpcConfig={
                "SubnetIds": list(a.settings.lambda_subnet_ids[:1]),
                "SecurityGroupIds": list(a.settings.lambda_security_group_ids),
            }
        )(a),
        "function-network",
    ),
    "a tag of the function changed": Mutation(
        FUNCTION,
        "Tags.Environment",
        lambda a: a.client("lambda").tag_resource(Resource=a.settings.function_arn, Tags={"Environment": "prod"}),
        old="prod",
        new="dev",
    ),
    # --- The mapping ---
    "batch size changed": Mutation(MAPPING, "BatchSize", mapping(BatchSize=10), old=10, new=5000),
    "batches waited for": Mutation(
        MAPPING, "MaximumBatchingWindowInSeconds", mapping(MaximumBatchingWindowInSeconds=300), old=300, new=5
    ),
    "two batches of a shard at once": Mutation(
        MAPPING, "ParallelizationFactor", mapping(ParallelizationFactor=2), old=2, new=1
    ),
    "batches given up after one try": Mutation(
        MAPPING, "MaximumRetryAttempts", mapping(MaximumRetryAttempts=0), old=0, new=-1
    ),
    "records given up after a minute": Mutation(
        MAPPING, "MaximumRecordAgeInSeconds", mapping(MaximumRecordAgeInSeconds=60), old=60, new=604_800
    ),
    "failed batches halved": Mutation(
        MAPPING, "BisectBatchOnFunctionError", mapping(BisectBatchOnFunctionError=True), old=True, new=False
    ),
    "whole batches repeated": Mutation(
        MAPPING, "FunctionResponseTypes", mapping(FunctionResponseTypes=[]), new=["ReportBatchItemFailures"]
    ),
    "nobody told of what is given up": Mutation(
        MAPPING, "DestinationConfig.OnFailure", mapping(DestinationConfig={"OnFailure": {}}), "mapping-complete"
    ),
    "mapping disabled": Mutation(MAPPING, "Enabled", mapping(Enabled=False), "mapping-complete", False, True),
    "a filter drops records": Mutation(
        MAPPING,
        "FilterCriteria",
        mapping(FilterCriteria={"Filters": [{"Pattern": '{"data": {"amount": ["1"]}}'}]}),
        "mapping-complete",
    ),
    "a tumbling window": Mutation(
        MAPPING, "TumblingWindowInSeconds", mapping(TumblingWindowInSeconds=60), "mapping-complete", 60, 0
    ),
    "mapping deleted": Mutation(
        MAPPING,
        "BatchSize",
        lambda a: a.client("lambda").delete_event_source_mapping(UUID=uuid(a)),
        "mapping-complete mapping-readers",
        ABSENT,
    ),
    "another function is fed from the stream": Mutation(
        MAPPING,
        "",
        feed_another_function,
        "mapping-readers",
        foreign="of the stream to spy",
        undo=feed_it_no_more,
    ),
    # --- The queue ---
    "queue retention lowered": Mutation(
        QUEUE, "MessageRetentionPeriod", queue(MessageRetentionPeriod="60"), old=60, new=1_209_600
    ),
    "given-up positions hidden for hours": Mutation(
        QUEUE, "VisibilityTimeout", queue(VisibilityTimeout="43200"), old=43_200, new=300
    ),
    "given-up positions are moved away": Mutation(QUEUE, "RedrivePolicy", redrive),
    "given-up positions come late": Mutation(QUEUE, "DelaySeconds", queue(DelaySeconds="900"), old=900, new=0),
    "given-up positions are too long": Mutation(
        QUEUE, "MaximumMessageSize", queue(MaximumMessageSize="1024"), old=1024, new=ABSENT
    ),
    "the queue's encryption off": Mutation(QUEUE, "KmsMasterKeyId", queue(KmsMasterKeyId=""), "queue-encryption"),
    "another account may read the queue": Mutation(
        QUEUE,
        "Policy.Statement[Hole]",
        queue_policy(add(Principal={"AWS": OTHER_ROOT}, Action="sqs:ReceiveMessage", Resource="*")),
        "queue-strangers",
    ),
    "the queue's TLS statement narrowed to an action": Mutation(
        QUEUE,
        "Policy.Statement[DenyInsecureTransport].Action",
        queue_policy(change("DenyInsecureTransport", Action="sqs:SendMessage")),
        "queue-tls",
    ),
    "a tag of the queue changed": Mutation(
        QUEUE,
        "Tags.Environment",
        lambda a: a.client("sqs").tag_queue(QueueUrl=url(a), Tags={"Environment": "prod"}),
        old="prod",
        new="dev",
    ),
}
