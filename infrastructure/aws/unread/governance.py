"""What AWS answers of keys, roles, secret, trail, log groups, alarms and their topic."""

from __future__ import annotations

from infrastructure.aws.unread.answer import FIXED, MEASURE, NAME, STATE, TIME, Answer, because

GOVERNANCE = (
    Answer(
        "AWS::KMS::Key AWS::KMS::Alias",
        "kms",
        "DescribeKey",
        "KeyMetadata",
        "KeyId Arn CreationDate Description KeyState DeletionDate",
        {
            "AWSAccountId": NAME,
            "Enabled": "said by KeyState too",
            **because(
                FIXED,
                "CloudHsmClusterId CustomKeyStoreId CustomerMasterKeySpec EncapsulationAlgorithms EncryptionAlgorithms "
                "ExpirationModel KeyAgreementAlgorithms KeyManager KeySpec KeyUsage MacAlgorithms MultiRegion "
                "MultiRegionConfiguration Origin SigningAlgorithms ValidTo XksKeyConfiguration",
            ),
            **because(STATE, "PendingDeletionWindowInDays CurrentKeyMaterialId"),
        },
    ),
    Answer(
        "AWS::KMS::Key",
        "kms",
        "GetKeyRotationStatus",
        "",
        "KeyRotationEnabled RotationPeriodInDays",
        {"KeyId": NAME, **because(TIME, "NextRotationDate OnDemandRotationStartDate")},
    ),
    Answer(
        "AWS::IAM::Role",
        "iam",
        "GetRole",
        "Role",
        "RoleId Arn AssumeRolePolicyDocument Description MaxSessionDuration PermissionsBoundary Tags",
        {
            **because(NAME, "RoleName Path"),
            "CreateDate": TIME,
            "RoleLastUsed": MEASURE,
            "SourceRoleTemplate": FIXED,
        },
    ),
    Answer(
        "AWS::IAM::RolePolicy",
        "iam",
        "GetRolePolicy",
        "",
        "PolicyDocument",
        because(NAME, "RoleName PolicyName"),
    ),
    Answer(
        "AWS::SecretsManager::Secret",
        "secretsmanager",
        "DescribeSecret",
        "",
        "ARN Description KmsKeyId RotationEnabled DeletedDate Tags ReplicationStatus",
        {
            "Name": NAME,
            **because(TIME, "LastRotatedDate LastChangedDate LastAccessedDate NextRotationDate CreatedDate"),
            **because(
                "how it would rotate; that it does not is compared",
                "RotationLambdaARN RotationRules ExternalSecretRotationMetadata ExternalSecretRotationRoleArn",
            ),
            **because(FIXED, "Type OwningService PrimaryRegion"),
            **because("replicas are compared by ReplicationStatus", "CrossAccountPrimary CrossAccountReplicas"),
            "VersionIdsToStages": "versions of the value, which is never read",
        },
    ),
    Answer(
        "AWS::Logs::LogGroup",
        "logs",
        "DescribeLogGroups",
        "logGroups",
        "logGroupName arn retentionInDays kmsKeyId",
        {
            "creationTime": TIME,
            **because(MEASURE, "metricFilterCount storedBytes"),
            "logGroupArn": "the ARN in another form",
            "logGroupClass": FIXED,
            **because("masks more, never less", "dataProtectionStatus inheritedProperties"),
            "deletionProtectionEnabled": "keeps more, never less",
            "bearerTokenAuthenticationEnabled": "of writers that come without IAM; the group's own policy decides",
            "retentionPolicyName": "whose retention it is; its days are compared",
        },
    ),
    Answer(
        "AWS::Logs::MetricFilter",
        "logs",
        "DescribeMetricFilters",
        "metricFilters",
        "filterName filterPattern metricTransformations applyOnTransformedLogs fieldSelectionCriteria",
        {
            **because(NAME, "creationTime logGroupName"),
            "emitSystemFieldDimensions": "of filters on transformed logs, which are compared",
        },
    ),
    Answer(
        "AWS::Logs::MetricFilter",
        "logs",
        "DescribeMetricFilters",
        "metricFilters.metricTransformations",
        "metricName metricNamespace metricValue defaultValue dimensions unit",
    ),
    Answer(
        "AWS::CloudTrail::Trail",
        "cloudtrail",
        "GetTrail",
        "Trail",
        "S3BucketName S3KeyPrefix SnsTopicName SnsTopicARN IncludeGlobalServiceEvents IsMultiRegionTrail TrailARN "
        "LogFileValidationEnabled CloudWatchLogsLogGroupArn CloudWatchLogsRoleArn KmsKeyId IsOrganizationTrail",
        {
            **because(NAME, "Name HomeRegion"),
            "HasCustomEventSelectors": "the selectors themselves are compared",
            "HasInsightSelectors": "records more, never less",
            "RecursiveLogging": "whether the trail's own deliveries are recorded",
        },
    ),
    Answer(
        "AWS::CloudTrail::Trail",
        "cloudtrail",
        "GetEventSelectors",
        "",
        "AdvancedEventSelectors",
        {"TrailARN": NAME, "EventSelectors": "the older form, which replaces the advanced ones: these are compared"},
    ),
    Answer(
        "AWS::CloudTrail::Trail",
        "cloudtrail",
        "GetTrailStatus",
        "",
        "IsLogging",
        {
            **because(
                STATE,
                "LatestCloudWatchLogsDeliveryError LatestCloudWatchLogsDeliveryTime LatestDeliveryAttemptSucceeded "
                "LatestDeliveryAttemptTime LatestDeliveryError LatestDeliveryTime LatestDigestDeliveryError "
                "LatestDigestDeliveryTime LatestNotificationAttemptSucceeded LatestNotificationAttemptTime "
                "LatestNotificationError LatestNotificationTime",
            ),
            **because(TIME, "StartLoggingTime StopLoggingTime TimeLoggingStarted TimeLoggingStopped"),
        },
    ),
    Answer(
        "AWS::CloudWatch::Alarm",
        "cloudwatch",
        "DescribeAlarms",
        "MetricAlarms",
        "AlarmArn AlarmDescription ActionsEnabled OKActions AlarmActions InsufficientDataActions MetricName Namespace "
        "Statistic ExtendedStatistic Dimensions Period Unit EvaluationPeriods DatapointsToAlarm Threshold "
        "ComparisonOperator TreatMissingData EvaluateLowSampleCountPercentile Metrics ThresholdMetricId "
        "EvaluationWindow WarmUpConfiguration EvaluationCriteria EvaluationInterval ActionConfiguration",
        {
            "AlarmName": NAME,
            **because(TIME, "AlarmConfigurationUpdatedTimestamp StateUpdatedTimestamp StateTransitionedTimestamp"),
            **because(STATE, "StateValue StateReason StateReasonData EvaluationState"),
        },
    ),
    Answer(
        "AWS::CloudWatch::CompositeAlarm",
        "cloudwatch",
        "DescribeAlarms",
        "CompositeAlarms",
        "AlarmArn AlarmDescription ActionsEnabled OKActions AlarmActions AlarmRule InsufficientDataActions "
        "ActionsSuppressor ActionConfiguration",
        {
            "AlarmName": NAME,
            **because(TIME, "AlarmConfigurationUpdatedTimestamp StateUpdatedTimestamp StateTransitionedTimestamp"),
            **because(
                STATE,
                "StateValue StateReason StateReasonData ActionsSuppressedBy ActionsSuppressedReason",
            ),
            "ActionsSuppressorWaitPeriod": "says something only where there is a suppressor, which is compared",
            "ActionsSuppressorExtensionPeriod": "says something only where there is a suppressor, which is compared",
        },
    ),
    Answer(
        "AWS::CloudWatch::Dashboard",
        "cloudwatch",
        "GetDashboard",
        "",
        "DashboardBody",
        because(NAME, "DashboardArn DashboardName"),
    ),
    Answer(
        "AWS::SNS::Topic",
        "sns",
        "GetTopicAttributes",
        "Attributes",
        "DeliveryPolicy KmsMasterKeyId Policy",
        {
            **because(NAME, "TopicArn Owner"),
            **because(MEASURE, "SubscriptionsConfirmed SubscriptionsDeleted SubscriptionsPending"),
            "DisplayName": "who a mail says that it is from",
            "EffectiveDeliveryPolicy": "follows from DeliveryPolicy",
            "MaximumMessageSize": "an alarm's message is far smaller than any limit",
            "SignatureVersion": "how subscribers can check that SNS sent it",
            "TracingConfig": "traces of deliveries to X-Ray",
            **because("of FIFO topics", "ArchivePolicy BeginningArchiveTime ContentBasedDeduplication FifoTopic"),
        },
    ),
    Answer(
        "AWS::SNS::Subscription",
        "sns",
        "GetSubscriptionAttributes",
        "Attributes",
        "FilterPolicy RedrivePolicy",
        {
            **because(NAME, "SubscriptionArn TopicArn Owner"),
            **because(STATE, "ConfirmationWasAuthenticated PendingConfirmation"),
            "FilterPolicyScope": "of a filter, which is compared",
            **because("what the filter reads; the filter is compared", "MessageAttributes MessageBody"),
            **because("of HTTP subscribers", "DeliveryPolicy EffectiveDeliveryPolicy RawMessageDelivery"),
            "SubscriptionRoleArn": "of Firehose subscribers",
        },
    ),
)
