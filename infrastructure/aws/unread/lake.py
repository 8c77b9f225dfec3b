"""What AWS answers of buckets, objects, catalog, job and queries; and what an Iceberg table's metadata says."""

from __future__ import annotations

from collections.abc import Mapping

from infrastructure.aws.unread.answer import FIXED, MEASURE, NAME, STATE, TIME, Answer, because

_BUCKET, _JOB, _TRIGGER, _OPTIMIZER = (
    "AWS::S3::Bucket",
    "AWS::Glue::Job",
    "AWS::Glue::Trigger",
    "AWS::Glue::TableOptimizer",
)
_OF_SPARK = "of Spark"

LAKE = (
    Answer(
        _BUCKET, "s3", "GetBucketLifecycleConfiguration", "", "Rules TransitionDefaultMinimumObjectSize", whole=True
    ),
    Answer(
        _BUCKET,
        "s3",
        "GetBucketLogging",
        "LoggingEnabled",
        "TargetBucket TargetGrants TargetPrefix TargetObjectKeyFormat",
        whole=True,
    ),
    Answer(_BUCKET, "s3", "GetBucketVersioning", "", "Status", {"MFADelete": "makes deleting harder, never easier"}),
    Answer(
        _BUCKET,
        "s3",
        "GetBucketEncryption",
        "ServerSideEncryptionConfiguration.Rules",
        "ApplyServerSideEncryptionByDefault BucketKeyEnabled",
        {"BlockedEncryptionTypes": "refuses more, never less"},
    ),
    Answer(
        _BUCKET,
        "s3",
        "GetObjectLockConfiguration",
        "ObjectLockConfiguration.Rule.DefaultRetention",
        "Mode Days Years",
        {"DefaultEventHold": "holds longer, never shorter"},
    ),
    Answer(
        _BUCKET,
        "s3",
        "GetPublicAccessBlock",
        "PublicAccessBlockConfiguration",
        "BlockPublicAcls IgnorePublicAcls BlockPublicPolicy RestrictPublicBuckets",
        whole=True,
    ),
    Answer("AWS::S3::BucketPolicy", "s3", "GetBucketPolicy", "", "Policy"),
    Answer(
        "AWS::S3::Object",
        "s3",
        "HeadObject",
        "",
        "ChecksumSHA256",
        {
            **because(
                "another hash of the same content",
                "ChecksumCRC32 ChecksumCRC32C ChecksumCRC64NVME ChecksumMD5 ChecksumSHA1 ChecksumSHA512 ChecksumType "
                "ChecksumXXHASH128 ChecksumXXHASH3 ChecksumXXHASH64 ETag ContentLength PartsCount",
            ),
            **because(
                "what a web browser is told",
                "AcceptRanges CacheControl ContentDisposition ContentEncoding ContentLanguage ContentRange ContentType "
                "Expires WebsiteRedirectLocation",
            ),
            **because("the bucket's own setting, which is compared there", "BucketKeyEnabled SSEKMSKeyId"),
            **because(
                "the bucket's own setting, which is compared there",
                "ServerSideEncryption SSECustomerAlgorithm SSECustomerKeyMD5 ObjectLockMode ObjectLockRetainUntilDate "
                "ObjectLockLegalHoldStatus ObjectLockEventHold ObjectLockEventHoldDurationDays "
                "ObjectLockEventHoldDurationYears ReplicationStatus Expiration",
            ),
            **because("remarks of people, which nothing reads", "Metadata MissingMeta TagCount"),
            **because(TIME, "LastModified VersionId"),
            **because(STATE, "ArchiveStatus DeleteMarker RequestCharged Restore StorageClass"),
        },
    ),
    Answer(
        "AWS::Glue::SecurityConfiguration",
        "glue",
        "GetSecurityConfiguration",
        "SecurityConfiguration",
        "EncryptionConfiguration",
        {"Name": NAME, "CreatedTimeStamp": TIME},
    ),
    Answer(
        "AWS::Glue::SecurityConfiguration",
        "glue",
        "GetSecurityConfiguration",
        "SecurityConfiguration.EncryptionConfiguration",
        "S3Encryption CloudWatchEncryption JobBookmarksEncryption DataQualityEncryption",
        whole=True,
    ),
    Answer(
        _JOB,
        "glue",
        "GetJob",
        "Job",
        "Description Role Command DefaultArguments ExecutionProperty JobRunQueuingEnabled MaxRetries Timeout "
        "GlueVersion WorkerType NumberOfWorkers SecurityConfiguration ExecutionClass Connections "
        "NonOverridableArguments NotificationProperty LogUri ProfileName SourceControlDetails MaintenanceWindow",
        {
            "Name": NAME,
            **because(TIME, "CreatedOn LastModifiedOn"),
            **because("said by worker type and number of workers", "AllocatedCapacity MaxCapacity"),
            **because("how it is edited in the console", "CodeGenConfigurationNodes JobMode"),
            "AutoUpgradeMetadata": "what the console offers; the version is compared",
        },
    ),
    Answer(_JOB, "glue", "GetJob", "Job.Command", "Name ScriptLocation PythonVersion", {"Runtime": "of Ray jobs"}),
    Answer(
        _TRIGGER,
        "glue",
        "GetTrigger",
        "Trigger",
        "Schedule Actions Description State",
        {
            **because(NAME, "Name Id"),
            **because(FIXED, "Type WorkflowName"),
            **because("of triggers that wait for events or other jobs", "EventBatchingCondition Predicate"),
        },
    ),
    Answer(
        _TRIGGER,
        "glue",
        "GetTrigger",
        "Trigger.Actions",
        "JobName Arguments Timeout SecurityConfiguration NotificationProperty CrawlerName",
        whole=True,
    ),
    Answer(
        "AWS::Glue::Database",
        "glue",
        "GetDatabase",
        "Database",
        "Description LocationUri TargetDatabase FederatedDatabase",
        {
            **because(NAME, "Name CatalogId"),
            "CreateTime": TIME,
            "CreateTableDefaultPermissions": "Lake Formation's, for tables that somebody makes later",
            "Parameters": "remarks of people and engines, which nothing here reads",
        },
    ),
    Answer(
        "AWS::Glue::Table",
        "glue",
        "GetTable",
        "Table",
        "Description TableType PartitionKeys Parameters StorageDescriptor TargetTable ViewOriginalText "
        "ViewExpandedText FederatedTable",
        {
            **because(NAME, "Name DatabaseName CatalogId"),
            **because(TIME, "CreateTime UpdateTime LastAccessTime LastAnalyzedTime CreatedBy VersionId"),
            **because(STATE, "Status IsRegisteredWithLakeFormation RLSProperties"),
            "IcebergTableMetadata": "of Iceberg tables, whose metadata is compared by itself",
            "Owner": "a name that no engine here asks for",
            "Retention": "how long a crawler's statistics count",
            **because("of views, whose text is compared", "IsMaterializedView IsMultiDialectView ViewDefinition"),
        },
    ),
    Answer(
        "AWS::Glue::Table",
        "glue",
        "GetTable",
        "Table.StorageDescriptor",
        "Columns Location InputFormat OutputFormat SerdeInfo AdditionalLocations BucketColumns Compressed "
        "NumberOfBuckets Parameters SchemaReference SkewedInfo SortColumns StoredAsSubDirectories",
        whole=True,
    ),
    Answer(
        "AWS::Glue::IcebergTable",
        "glue",
        "GetTable",
        "Table",
        "Parameters StorageDescriptor",
        {
            **because(NAME, "Name DatabaseName CatalogId"),
            **because(TIME, "CreateTime UpdateTime LastAccessTime LastAnalyzedTime CreatedBy VersionId"),
            **because(STATE, "Status IsRegisteredWithLakeFormation RLSProperties"),
            **because(
                "the catalog's copy of what the metadata file says, which engines read and which is compared",
                "Description TableType PartitionKeys IcebergTableMetadata Retention Owner",
            ),
            **because(
                "of views and links; an Iceberg table is known by its parameters",
                "IsMaterializedView IsMultiDialectView ViewDefinition ViewExpandedText ViewOriginalText TargetTable "
                "FederatedTable",
            ),
        },
    ),
    Answer(
        _OPTIMIZER,
        "glue",
        "GetTableOptimizer",
        "TableOptimizer",
        "configuration",
        {"type": NAME, "lastRun": STATE, "configurationSource": "whether the catalog's default; it is compared"},
    ),
    Answer(
        _OPTIMIZER,
        "glue",
        "GetTableOptimizer",
        "TableOptimizer.configuration",
        "roleArn enabled vpcConfiguration compactionConfiguration retentionConfiguration "
        "orphanFileDeletionConfiguration",
        whole=True,
    ),
    Answer(
        "AWS::Athena::WorkGroup",
        "athena",
        "GetWorkGroup",
        "WorkGroup",
        "State Configuration Description",
        {"Name": NAME, "CreationTime": TIME, "IdentityCenterApplicationArn": FIXED},
    ),
    Answer(
        "AWS::Athena::WorkGroup",
        "athena",
        "GetWorkGroup",
        "WorkGroup.Configuration",
        "ResultConfiguration EnforceWorkGroupConfiguration PublishCloudWatchMetricsEnabled BytesScannedCutoffPerQuery "
        "RequesterPaysEnabled EngineVersion",
        {
            "ManagedQueryResultsConfiguration": "stands instead of a place for results, which is compared",
            **because(_OF_SPARK, "AdditionalConfiguration CustomerContentEncryptionConfiguration EngineConfiguration"),
            **because(_OF_SPARK, "ExecutionRole MonitoringConfiguration SystemTableStatuses"),
            "EnableMinimumEncryptionConfiguration": "encrypts more, never less",
            **because(
                "who queries, not what is set", "IdentityCenterConfiguration QueryResultsS3AccessGrantsConfiguration"
            ),
        },
    ),
)

# A field of an Iceberg table's metadata file -> "" if it is compared, else why not.
ICEBERG_METADATA: Mapping[str, str] = {
    **because("", "location schemas current_schema_id partition_specs default_spec_id properties format_version"),
    "table_uuid": NAME,
    **because(TIME, "last_updated_ms last_sequence_number"),
    **because("the highest number given so far", "last_column_id last_partition_id"),
    **because("the data itself, and its history", "current_snapshot_id snapshots snapshot_log metadata_log refs"),
    **because(MEASURE, "statistics partition_statistics"),
    **because("the order of rows within files; no result depends on it", "sort_orders default_sort_order_id"),
}
