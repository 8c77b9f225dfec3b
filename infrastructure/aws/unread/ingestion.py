"""What AWS answers of stream, function, mapping and queue."""

from __future__ import annotations

from infrastructure.aws.unread.answer import FIXED, MEASURE, NAME, STATE, TIME, Answer, because

INGESTION = (
    Answer(
        "AWS::Kinesis::Stream",
        "kinesis",
        "DescribeStreamSummary",
        "StreamDescriptionSummary",
        "StreamARN StreamStatus StreamModeDetails RetentionPeriodHours StreamCreationTimestamp EnhancedMonitoring "
        "EncryptionType KeyId OpenShardCount MaxRecordSizeInKiB RecordDistributionStrategy",
        {
            **because(NAME, "StreamName StreamId"),
            "ConsumerCount": "the consumers themselves are read (ListStreamConsumers)",
            **because(MEASURE, "ChannelCount QueueCount"),
            "WarmThroughput": "capacity at hand; it changes what is paid and never what is read",
        },
    ),
    Answer(
        "AWS::Lambda::Function",
        "lambda",
        "GetFunction",
        "",
        "Configuration Tags Concurrency",
        {"Code": "where the zip lies; its hash is compared", "TagsError": STATE},
    ),
    Answer(
        "AWS::Lambda::Function",
        "lambda",
        "GetFunction",
        "Configuration",
        "FunctionArn Runtime Role Handler Description Timeout MemorySize CodeSha256 VpcConfig DeadLetterConfig "
        "Environment KMSKeyArn TracingConfig Layers FileSystemConfigs Architectures EphemeralStorage SnapStart "
        "LoggingConfig TenancyConfig CapacityProviderConfig DurableConfig RuntimeConfig AcceleratorConfig",
        {
            "FunctionName": NAME,
            **because(TIME, "LastModified RevisionId Version ConfigSha256"),
            **because(STATE, "State StateReason StateReasonCode LastUpdateStatus LastUpdateStatusReason"),
            "LastUpdateStatusReasonCode": STATE,
            "CodeSize": MEASURE,
            "PackageType": FIXED,
            "ImageConfigResponse": "of functions made from an image",
            "MasterArn": "of functions at the edge",
            **because("of signed code; the hash is compared", "SigningProfileVersionArn SigningJobArn"),
            "RuntimeVersionConfig": "which patch of the runtime AWS has chosen",
        },
    ),
    Answer(
        "AWS::Lambda::EventSourceMapping",
        "lambda",
        "ListEventSourceMappings",
        "EventSourceMappings",
        "UUID StartingPosition BatchSize MaximumBatchingWindowInSeconds ParallelizationFactor FilterCriteria KMSKeyArn "
        "MetricsConfig FunctionArn State DestinationConfig MaximumRecordAgeInSeconds BisectBatchOnFunctionError "
        "MaximumRetryAttempts TumblingWindowInSeconds FunctionResponseTypes EventSourceMappingArn ScalingConfig",
        {
            "EventSourceArn": NAME,
            **because(TIME, "LastModified StartingPositionTimestamp"),
            **because(STATE, "LastProcessingResult StateTransitionReason FilterCriteriaError"),
            **because(
                "of event sources other than a Kinesis stream and a queue",
                "AmazonManagedKafkaEventSourceConfig DocumentDBEventSourceConfig LoggingConfig ProvisionedPollerConfig "
                "Queues SelfManagedEventSource SelfManagedKafkaEventSourceConfig "
                "SourceAccessConfigurations Topics",
            ),
        },
    ),
    Answer(
        "AWS::SQS::Queue",
        "sqs",
        "GetQueueAttributes",
        "Attributes",
        "DelaySeconds KmsDataKeyReusePeriodSeconds KmsMasterKeyId MaximumMessageSize MessageRetentionPeriod Policy "
        "QueueArn RedrivePolicy VisibilityTimeout",
        {
            "All": "stands for all of them",
            **because(
                MEASURE,
                "ApproximateNumberOfMessages ApproximateNumberOfMessagesDelayed ApproximateNumberOfMessagesNotVisible",
            ),
            **because(TIME, "CreatedTimestamp LastModifiedTimestamp"),
            "ReceiveMessageWaitTimeSeconds": "how long a reader waits",
            "RedriveAllowPolicy": "who may use it as a dead-letter queue; its own policy decides who may send",
            "SqsManagedSseEnabled": "the customer key, which is compared, excludes it",
            **because("of FIFO queues", "ContentBasedDeduplication DeduplicationScope FifoQueue FifoThroughputLimit"),
        },
    ),
)
