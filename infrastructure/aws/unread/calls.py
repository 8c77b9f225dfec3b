"""The calls that tell of one bucket, function, stream, topic or warehouse: those that the plan makes, and why not the
others."""

from __future__ import annotations

from collections.abc import Mapping

from infrastructure.aws.unread.answer import FIXED, MEASURE, STATE

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
        "GetBucketLocation": FIXED,
        **dict.fromkeys(
            ("GetBucketMetadataConfiguration", "GetBucketMetadataTableConfiguration"), "tables about the objects"
        ),
        **dict.fromkeys(("GetBucketMetricsConfiguration", "ListBucketMetricsConfigurations"), MEASURE),
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
        "ListShards": STATE,
        "ListTagsForResource": "the same tags, by ARN",
    },
    "sns": {
        **dict.fromkeys(
            (
                "GetDataProtectionPolicy",
                "GetSubscriptionAttributes",
                "GetTopicAttributes",
                "ListSubscriptionsByTopic",
                "ListTagsForResource",
            ),
            "",
        ),
    },
    "redshift-serverless": {
        **dict.fromkeys(
            (
                "GetNamespace",
                "GetWorkgroup",
                "ListEndpointAccess",
                "ListSnapshotCopyConfigurations",
                "ListTagsForResource",
                "ListUsageLimits",
            ),
            "",
        ),
        **dict.fromkeys(("GetCustomDomainAssociation", "ListRecoveryPoints", "ListTableRestoreStatus"), STATE),
        "GetCredentials": "a log-in, and no setting",
        **dict.fromkeys(("GetResourcePolicy", "ListSnapshots"), "of snapshots, which the platform takes none of"),
        "ListScheduledActions": "takes snapshots, and changes none of the warehouse's settings",
    },
}
