"""What AWS answers of each resource and the plan does not compare, field by field, with the reason.

A test walks botocore's output shapes: every field is compared (COMPARED) or named here (NEUTRAL), so that a field which
AWS adds fails it until somebody has decided what it means. The same holds for the calls that tell of a bucket, a
function or a stream (CALLS).
"""

from __future__ import annotations

from collections.abc import Mapping

_NAME = "its name, by which it is found"
_TIME = "when it was made or changed"
_STATE = "its state at the moment, which waiting and status look at"
_MEASURE = "a measure of its use"
_FIXED = "fixed when it is made"
_OTHER_SOURCES = "of event sources other than a Kinesis stream"

# (service, operation, path of the output's members) -> the fields that are compared, or are outputs
COMPARED: Mapping[tuple[str, str, str], str] = {
    ("lambda", "GetFunction", ""): "Configuration Tags Concurrency",
    ("lambda", "GetFunction", "Configuration"): (
        "FunctionArn Runtime Role Handler Description Timeout MemorySize CodeSha256 VpcConfig DeadLetterConfig "
        "Environment KMSKeyArn TracingConfig Layers FileSystemConfigs Architectures EphemeralStorage SnapStart "
        "LoggingConfig TenancyConfig CapacityProviderConfig DurableConfig RuntimeConfig AcceleratorConfig"
    ),
    ("lambda", "ListEventSourceMappings", "EventSourceMappings"): (
        "UUID StartingPosition BatchSize MaximumBatchingWindowInSeconds ParallelizationFactor FilterCriteria KMSKeyArn "
        "MetricsConfig FunctionArn State DestinationConfig MaximumRecordAgeInSeconds BisectBatchOnFunctionError "
        "MaximumRetryAttempts TumblingWindowInSeconds FunctionResponseTypes EventSourceMappingArn"
    ),
    ("kinesis", "DescribeStreamSummary", "StreamDescriptionSummary"): (
        "StreamARN StreamStatus StreamModeDetails RetentionPeriodHours StreamCreationTimestamp EnhancedMonitoring "
        "EncryptionType KeyId OpenShardCount MaxRecordSizeInKiB RecordDistributionStrategy"
    ),
    ("secretsmanager", "DescribeSecret", ""): (
        "ARN Description KmsKeyId RotationEnabled DeletedDate Tags ReplicationStatus"
    ),
    ("logs", "DescribeLogGroups", "logGroups"): "logGroupName arn retentionInDays kmsKeyId",
    ("logs", "DescribeMetricFilters", "metricFilters"): (
        "filterName filterPattern metricTransformations applyOnTransformedLogs fieldSelectionCriteria"
    ),
    ("logs", "DescribeMetricFilters", "metricFilters.metricTransformations"): (
        "metricName metricNamespace metricValue defaultValue dimensions unit"
    ),
    ("cloudwatch", "DescribeAlarms", "MetricAlarms"): (
        "AlarmArn AlarmDescription ActionsEnabled OKActions AlarmActions InsufficientDataActions MetricName Namespace "
        "Statistic ExtendedStatistic Dimensions Period Unit EvaluationPeriods DatapointsToAlarm Threshold "
        "ComparisonOperator TreatMissingData EvaluateLowSampleCountPercentile Metrics ThresholdMetricId "
        "EvaluationWindow WarmUpConfiguration EvaluationCriteria EvaluationInterval ActionConfiguration"
    ),
    ("cloudtrail", "GetTrail", "Trail"): (
        "S3BucketName S3KeyPrefix SnsTopicName SnsTopicARN IncludeGlobalServiceEvents IsMultiRegionTrail TrailARN "
        "LogFileValidationEnabled CloudWatchLogsLogGroupArn CloudWatchLogsRoleArn KmsKeyId IsOrganizationTrail"
    ),
    ("kms", "DescribeKey", "KeyMetadata"): "KeyId Arn CreationDate Description KeyState DeletionDate",
    ("kms", "GetKeyRotationStatus", ""): "KeyRotationEnabled RotationPeriodInDays",
    ("iam", "GetRole", "Role"): (
        "RoleId Arn AssumeRolePolicyDocument Description MaxSessionDuration PermissionsBoundary Tags"
    ),
    ("athena", "GetWorkGroup", "WorkGroup"): "State Configuration Description",
    ("athena", "GetWorkGroup", "WorkGroup.Configuration"): (
        "ResultConfiguration EnforceWorkGroupConfiguration PublishCloudWatchMetricsEnabled BytesScannedCutoffPerQuery "
        "RequesterPaysEnabled EngineVersion"
    ),
    ("s3", "GetBucketLifecycleConfiguration", ""): "Rules TransitionDefaultMinimumObjectSize",
    ("s3", "GetBucketLogging", "LoggingEnabled"): "TargetBucket TargetGrants TargetPrefix TargetObjectKeyFormat",
    ("s3", "GetBucketVersioning", ""): "Status",
    ("s3", "GetBucketEncryption", "ServerSideEncryptionConfiguration.Rules"): (
        "ApplyServerSideEncryptionByDefault BucketKeyEnabled"
    ),
    ("s3", "GetObjectLockConfiguration", "ObjectLockConfiguration.Rule.DefaultRetention"): "Mode Days Years",
}

NEUTRAL: Mapping[tuple[str, str, str], Mapping[str, str]] = {
    ("lambda", "GetFunction", ""): {"Code": "where the zip lies; its hash is compared", "TagsError": _STATE},
    ("lambda", "GetFunction", "Configuration"): {
        "FunctionName": _NAME,
        **dict.fromkeys(("LastModified", "RevisionId", "Version", "ConfigSha256"), _TIME),
        **dict.fromkeys(
            ("State", "StateReason", "StateReasonCode", "LastUpdateStatus", "LastUpdateStatusReason"), _STATE
        ),
        "LastUpdateStatusReasonCode": _STATE,
        "CodeSize": _MEASURE,
        "PackageType": _FIXED,
        "ImageConfigResponse": "of functions made from an image",
        "MasterArn": "of functions at the edge",
        **dict.fromkeys(("SigningProfileVersionArn", "SigningJobArn"), "of signed code; the hash is compared"),
        "RuntimeVersionConfig": "which patch of the runtime AWS has chosen",
    },
    ("lambda", "ListEventSourceMappings", "EventSourceMappings"): {
        "EventSourceArn": _NAME,
        **dict.fromkeys(("LastModified", "StartingPositionTimestamp"), _TIME),
        **dict.fromkeys(("LastProcessingResult", "StateTransitionReason", "FilterCriteriaError"), _STATE),
        **dict.fromkeys(
            (
                "AmazonManagedKafkaEventSourceConfig",
                "DocumentDBEventSourceConfig",
                "LoggingConfig",
                "ProvisionedPollerConfig",
                "Queues",
                "ScalingConfig",
                "SelfManagedEventSource",
                "SelfManagedKafkaEventSourceConfig",
                "SourceAccessConfigurations",
                "Topics",
            ),
            _OTHER_SOURCES,
        ),
    },
    ("kinesis", "DescribeStreamSummary", "StreamDescriptionSummary"): {
        **dict.fromkeys(("StreamName", "StreamId"), _NAME),
        "ConsumerCount": "the consumers themselves are read (ListStreamConsumers)",
        **dict.fromkeys(("ChannelCount", "QueueCount"), _MEASURE),
        "WarmThroughput": "capacity at hand; it changes what is paid and never what is read",
    },
    ("secretsmanager", "DescribeSecret", ""): {
        "Name": _NAME,
        **dict.fromkeys(
            ("LastRotatedDate", "LastChangedDate", "LastAccessedDate", "NextRotationDate", "CreatedDate"), _TIME
        ),
        **dict.fromkeys(
            (
                "RotationLambdaARN",
                "RotationRules",
                "ExternalSecretRotationMetadata",
                "ExternalSecretRotationRoleArn",
            ),
            "how it would rotate; that it does not is compared",
        ),
        **dict.fromkeys(("Type", "OwningService", "PrimaryRegion"), _FIXED),
        **dict.fromkeys(("CrossAccountPrimary", "CrossAccountReplicas"), "replicas are compared by ReplicationStatus"),
        "VersionIdsToStages": "versions of the value, which is never read",
    },
    ("logs", "DescribeLogGroups", "logGroups"): {
        "creationTime": _TIME,
        **dict.fromkeys(("metricFilterCount", "storedBytes"), _MEASURE),
        "logGroupArn": "the ARN in another form",
        "logGroupClass": _FIXED,
        **dict.fromkeys(("dataProtectionStatus", "inheritedProperties"), "masks more, never less"),
        "deletionProtectionEnabled": "keeps more, never less",
        "bearerTokenAuthenticationEnabled": "of writers that come without IAM; the group takes them by its own policy",
        "retentionPolicyName": "whose retention it is; its days are compared",
    },
    ("logs", "DescribeMetricFilters", "metricFilters"): {
        **dict.fromkeys(("creationTime", "logGroupName"), _NAME),
        "emitSystemFieldDimensions": "of filters on transformed logs, which are compared",
    },
    ("logs", "DescribeMetricFilters", "metricFilters.metricTransformations"): {},
    ("cloudwatch", "DescribeAlarms", "MetricAlarms"): {
        "AlarmName": _NAME,
        **dict.fromkeys(
            ("AlarmConfigurationUpdatedTimestamp", "StateUpdatedTimestamp", "StateTransitionedTimestamp"), _TIME
        ),
        **dict.fromkeys(("StateValue", "StateReason", "StateReasonData", "EvaluationState"), _STATE),
    },
    ("cloudtrail", "GetTrail", "Trail"): {
        **dict.fromkeys(("Name", "HomeRegion"), _NAME),
        "HasCustomEventSelectors": "the selectors themselves are compared",
        "HasInsightSelectors": "records more, never less",
        "RecursiveLogging": "whether the trail's own deliveries are recorded",
    },
    ("kms", "DescribeKey", "KeyMetadata"): {
        "AWSAccountId": _NAME,
        "Enabled": "said by KeyState too",
        **dict.fromkeys(
            (
                "CloudHsmClusterId",
                "CustomKeyStoreId",
                "CustomerMasterKeySpec",
                "EncapsulationAlgorithms",
                "EncryptionAlgorithms",
                "ExpirationModel",
                "KeyAgreementAlgorithms",
                "KeyManager",
                "KeySpec",
                "KeyUsage",
                "MacAlgorithms",
                "MultiRegion",
                "MultiRegionConfiguration",
                "Origin",
                "SigningAlgorithms",
                "ValidTo",
                "XksKeyConfiguration",
            ),
            _FIXED,
        ),
        "PendingDeletionWindowInDays": _STATE,
        "CurrentKeyMaterialId": _STATE,
    },
    ("kms", "GetKeyRotationStatus", ""): {
        "KeyId": _NAME,
        **dict.fromkeys(("NextRotationDate", "OnDemandRotationStartDate"), _TIME),
    },
    ("iam", "GetRole", "Role"): {
        **dict.fromkeys(("RoleName", "Path"), _NAME),
        "CreateDate": _TIME,
        "RoleLastUsed": _MEASURE,
        "SourceRoleTemplate": _FIXED,
    },
    ("athena", "GetWorkGroup", "WorkGroup"): {
        "Name": _NAME,
        "CreationTime": _TIME,
        "IdentityCenterApplicationArn": _FIXED,
    },
    ("athena", "GetWorkGroup", "WorkGroup.Configuration"): {
        "ManagedQueryResultsConfiguration": "stands instead of a place for results, which is compared",
        **dict.fromkeys(
            ("AdditionalConfiguration", "CustomerContentEncryptionConfiguration", "EngineConfiguration"), "of Spark"
        ),
        **dict.fromkeys(("ExecutionRole", "MonitoringConfiguration", "SystemTableStatuses"), "of Spark"),
        "EnableMinimumEncryptionConfiguration": "encrypts more, never less",
        **dict.fromkeys(
            ("IdentityCenterConfiguration", "QueryResultsS3AccessGrantsConfiguration"), "who queries, not what is set"
        ),
    },
    ("s3", "GetBucketLifecycleConfiguration", ""): {},
    ("s3", "GetBucketLogging", "LoggingEnabled"): {},
    ("s3", "GetBucketVersioning", ""): {"MFADelete": "makes deleting harder, never easier"},
    ("s3", "GetBucketEncryption", "ServerSideEncryptionConfiguration.Rules"): {
        "BlockedEncryptionTypes": "refuses more, never less"
    },
    ("s3", "GetObjectLockConfiguration", "ObjectLockConfiguration.Rule.DefaultRetention"): {
        "DefaultEventHold": "holds longer, never shorter"
    },
}

# service -> the calls that tell of one bucket, function or stream: "" if the plan asks them, else why not
CALLS: Mapping[str, Mapping[str, str]] = {
    "s3": {
        **dict.fromkeys(
            (
                "GetBucketAccelerateConfiguration",
                "GetBucketCors",
                "GetBucketEncryption",
                "GetBucketLifecycleConfiguration",
                "GetBucketLogging",
                "GetBucketNotificationConfiguration",
                "GetBucketOwnershipControls",
                "GetBucketPolicy",
                "GetBucketReplication",
                "GetBucketRequestPayment",
                "GetBucketTagging",
                "GetBucketVersioning",
                "GetBucketWebsite",
                "ListBucketInventoryConfigurations",
            ),
            "",
        ),
        "GetBucketAbac": "whether its tags decide on access, which the policies do not use",
        "GetBucketAcl": "without effect while the bucket's owner owns all objects, which is compared",
        **dict.fromkeys(
            ("GetBucketAnalyticsConfiguration", "ListBucketAnalyticsConfigurations"), "figures about storage classes"
        ),
        **dict.fromkeys(
            ("GetBucketIntelligentTieringConfiguration", "ListBucketIntelligentTieringConfigurations"),
            "of a storage class that is not used",
        ),
        "GetBucketInventoryConfiguration": "one of those that are listed",
        **dict.fromkeys(("GetBucketLifecycle", "GetBucketNotification"), "an older form of the same"),
        "GetBucketLocation": _FIXED,
        **dict.fromkeys(
            ("GetBucketMetadataConfiguration", "GetBucketMetadataTableConfiguration"), "tables about the objects"
        ),
        **dict.fromkeys(("GetBucketMetricsConfiguration", "ListBucketMetricsConfigurations"), _MEASURE),
        "GetBucketPolicyStatus": "said by policy and public access block",
    },
    "lambda": {
        **dict.fromkeys(
            (
                "GetFunction",
                "GetFunctionConfiguration",
                "GetPolicy",
                "ListEventSourceMappings",
                "ListFunctionUrlConfigs",
            ),
            "",
        ),
        **dict.fromkeys(("GetAlias", "ListAliases", "ListVersionsByFunction"), "names of versions, which call nothing"),
        "GetFunctionCodeSigningConfig": "refuses code, and changes none",
        "GetFunctionConcurrency": "said by GetFunction",
        **dict.fromkeys(
            ("GetFunctionEventInvokeConfig", "ListFunctionEventInvokeConfigs"),
            "of asynchronous calls; a stream's are not",
        ),
        "GetFunctionRecursionConfig": "of functions that call themselves",
        "GetFunctionScalingConfig": "of capacity providers, which are compared",
        "GetFunctionUrlConfig": "one of those that are listed",
        **dict.fromkeys(
            ("GetProvisionedConcurrencyConfig", "ListProvisionedConcurrencyConfigs"),
            "of versions and aliases; the mapping calls neither",
        ),
        "GetRuntimeManagementConfig": "which patch of the runtime AWS chooses",
        "ListDurableExecutionsByFunction": "of durable functions, which are compared",
    },
    "kinesis": {
        **dict.fromkeys(("DescribeStreamSummary", "GetResourcePolicy", "ListStreamConsumers", "ListTagsForStream"), ""),
        "DescribeStream": "said by DescribeStreamSummary and its shards",
        "DescribeStreamConsumer": "one of those that are listed",
        "ListShards": _STATE,
        "ListTagsForResource": "the same tags, by ARN",
    },
}
