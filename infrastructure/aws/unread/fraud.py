"""What AWS answers of the fraud stream's table and of the notification that starts it."""

from __future__ import annotations

from infrastructure.aws.unread.answer import FIXED, MEASURE, NAME, STATE, TIME, Answer, because

_TABLE = "AWS::DynamoDB::Table"

FRAUD = (
    Answer(
        _TABLE,
        "dynamodb",
        "DescribeTable",
        "Table",
        "AttributeDefinitions KeySchema TableStatus TableArn BillingModeSummary LocalSecondaryIndexes "
        "GlobalSecondaryIndexes StreamSpecification Replicas SSEDescription DeletionProtectionEnabled",
        {
            **because(NAME, "TableName TableId"),
            **because(TIME, "CreationDateTime LatestStreamLabel LatestStreamArn RestoreSummary"),
            **because(MEASURE, "ItemCount TableSizeBytes"),
            **because(
                "of replicas, which are compared",
                "GlobalTableVersion GlobalTableWitnesses GlobalTableSettingsReplicationMode MultiRegionConsistency "
                "DisassociationProtectionEnabled",
            ),
            "ProvisionedThroughput": "of tables that are paid by the hour; the mode is compared",
            **because("what is paid, and never what is read", "TableClassSummary WarmThroughput"),
            "OnDemandThroughput": "a ceiling on requests: throttled calls are tried again, and alarms tell",
            "ArchivalSummary": "of a table whose key is gone",
            "VectorIndexes": "for searches by likeness, of which the keys hold nothing",
        },
    ),
    Answer(_TABLE, "dynamodb", "DescribeTimeToLive", "TimeToLiveDescription", "TimeToLiveStatus AttributeName"),
    Answer(
        _TABLE,
        "dynamodb",
        "DescribeContinuousBackups",
        "ContinuousBackupsDescription",
        "PointInTimeRecoveryDescription",
        {"ContinuousBackupsStatus": FIXED},
    ),
    Answer(
        _TABLE,
        "dynamodb",
        "DescribeContinuousBackups",
        "ContinuousBackupsDescription.PointInTimeRecoveryDescription",
        "PointInTimeRecoveryStatus",
        {
            "RecoveryPeriodInDays": "of recovery, which is to be off",
            **because(STATE, "EarliestRestorableDateTime LatestRestorableDateTime"),
        },
    ),
    Answer(
        "AWS::S3::BucketNotification",
        "s3",
        "GetBucketNotificationConfiguration",
        "QueueConfigurations",
        "Id QueueArn Events Filter",
    ),
)
