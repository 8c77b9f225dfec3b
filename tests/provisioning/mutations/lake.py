"""Job, catalog and Athena, broken one setting at a time."""

from __future__ import annotations

import json
from typing import Any

from infrastructure.aws.iceberg import open_catalog
from infrastructure.planning.compare import ABSENT
from tests.provisioning.mutations.mutation import ByHand, Mutation, Rows, WholeAccount

TABLE, ICEBERG, DATABASE, OPTIMIZER = (
    "AWS::Glue::Table",
    "AWS::Glue::IcebergTable",
    "AWS::Glue::Database",
    "AWS::Glue::TableOptimizer",
)
JOB, TRIGGER, SECURITY = "AWS::Glue::Job", "AWS::Glue::Trigger", "AWS::Glue::SecurityConfiguration"
ATHENA = "AWS::Athena::WorkGroup"
_JOB_KEPT = (
    "Description Role Command DefaultArguments ExecutionProperty MaxRetries Timeout GlueVersion WorkerType "
    "NumberOfWorkers SecurityConfiguration ExecutionClass"
)
_TABLE_KEPT = ("Name", "Description", "TableType", "PartitionKeys", "Parameters", "StorageDescriptor")


def glue(a: WholeAccount) -> Any:
    return a.client("glue")


def job(**changed: Any) -> ByHand:
    """Update the job; a dict is merged, a parameter that is None goes."""

    def by_hand(a: WholeAccount) -> None:
        found = glue(a).get_job(JobName=a.settings.glue_job_name)["Job"]
        update = {name: found[name] for name in _JOB_KEPT.split() if name in found}
        for name, value in changed.items():
            update[name] = update[name] | value if isinstance(update.get(name), dict) else value
        update = {name: value for name, value in update.items() if value is not None}
        glue(a).update_job(JobName=a.settings.glue_job_name, JobUpdate=update)

    return by_hand


def trigger(**changed: Any) -> ByHand:
    def by_hand(a: WholeAccount) -> None:
        name = f"{a.settings.glue_job_name}-schedule"
        found = glue(a).get_trigger(Name=name)["Trigger"]
        update = {key: found[key] for key in ("Schedule", "Actions", "Description")} | changed
        glue(a).update_trigger(Name=name, TriggerUpdate=update)

    return by_hand


def table(edit: Any, name: str = "raw_transactions") -> ByHand:
    def by_hand(a: WholeAccount) -> None:
        found = glue(a).get_table(DatabaseName=a.settings.glue_database, Name=name)["Table"]
        edit(found)
        update = {key: found[key] for key in _TABLE_KEPT if key in found}
        glue(a).update_table(DatabaseName=a.settings.glue_database, TableInput=update)

    return by_hand


def retype(found: Any) -> None:
    next(each for each in found["StorageDescriptor"]["Columns"] if each["Name"] == "amount")["Type"] = "double"


def iceberg(**properties: str) -> ByHand:
    def by_hand(a: WholeAccount) -> None:
        catalog = open_catalog(glue(a), a.client("s3"))
        with catalog.load_table((a.settings.glue_database, "transactions")).transaction() as change:
            change.set_properties(
                {name.replace("__", "-").replace("_", "."): each for name, each in properties.items()}
            )

    return by_hand


def optimizer(kind: str, edit: Any) -> ByHand:
    def by_hand(a: WholeAccount) -> None:
        of = {
            "CatalogId": a.settings.account_id,
            "DatabaseName": a.settings.glue_database,
            "TableName": "transactions",
            "Type": kind,
        }
        found = json.loads(json.dumps(glue(a).get_table_optimizer(**of)["TableOptimizer"]["configuration"]))
        edit(found)
        glue(a).update_table_optimizer(**of, TableOptimizerConfiguration=found)

    return by_hand


def keep_snapshots_a_day(found: Any) -> None:
    found["retentionConfiguration"]["icebergConfiguration"]["snapshotRetentionPeriodInDays"] = 1


def weaken_encryption(a: WholeAccount) -> None:
    found = glue(a).get_security_configuration(Name=a.settings.prefix)["SecurityConfiguration"]
    glue(a).delete_security_configuration(Name=a.settings.prefix)
    weak = found["EncryptionConfiguration"] | {"S3Encryption": [{"S3EncryptionMode": "SSE-S3"}]}
    glue(a).create_security_configuration(Name=a.settings.prefix, EncryptionConfiguration=weak)


def athena(description: str | None = None, state: str | None = None, **configuration: Any) -> ByHand:
    return lambda a: a.client("athena").update_work_group(
        WorkGroup=a.settings.prefix,
        ConfigurationUpdates=configuration,
        **({"Description": description} if description else {}),
        **({"State": state} if state else {}),
    )


def database(**changed: Any) -> ByHand:
    return lambda a: glue(a).update_database(
        Name=a.settings.glue_database, DatabaseInput={"Name": a.settings.glue_database, **changed}
    )


def retag(kind: str, name: str) -> ByHand:
    return lambda a: glue(a).tag_resource(
        ResourceArn=a.settings.arn("glue", f"{kind}/{name.format(settings=a.settings)}"),
        TagsToAdd={"Environment": "prod"},
    )


_JOB_CONTROLS = "job-uses-encryption job-code job-network job-version"

LAKE: Rows = {
    # --- The job ---
    "the job deleted": Mutation(
        JOB,
        "GlueVersion",
        lambda a: glue(a).delete_job(JobName=a.settings.glue_job_name),
        _JOB_CONTROLS,
        ABSENT,
        "5.1",
    ),
    "the job runs another script": Mutation(
        JOB,
        "Command.ScriptLocation",
        job(Command={"ScriptLocation": "s3://elsewhere/spy.py"}),
        "job-code",
        "s3://elsewhere/spy.py",
    ),
    "the job takes modules from elsewhere": Mutation(
        JOB,
        "DefaultArguments.--extra-py-files",
        job(DefaultArguments={"--extra-py-files": "s3://elsewhere/spy.zip"}),
        "job-code",
    ),
    "the job takes libraries from elsewhere": Mutation(
        JOB,
        "DefaultArguments.--extra-jars",
        job(DefaultArguments={"--extra-jars": "s3://elsewhere/spy.jar"}),
        "job-code",
        new=ABSENT,
    ),
    "the job without encryption": Mutation(
        JOB, "SecurityConfiguration", job(SecurityConfiguration=None), "job-uses-encryption", ABSENT
    ),
    "the job on an old version of Glue": Mutation(
        JOB, "GlueVersion", job(GlueVersion="3.0"), "job-version", "3.0", "5.1"
    ),
    "the job in another network": Mutation(
        JOB, "Connections", job(Connections={"Connections": ["spy"]}), "job-network", new=ABSENT
    ),
    "the job under another role": Mutation(JOB, "Role", job(Role="arn:aws:iam::123456789012:role/other")),
    "the job with arguments that no run may change": Mutation(
        JOB, "NonOverridableArguments", job(NonOverridableArguments={"--raw_bucket": "x"}), new=ABSENT
    ),
    "the job reads another bucket": Mutation(
        JOB, "DefaultArguments.--raw_bucket", job(DefaultArguments={"--raw_bucket": "x"}), old="x"
    ),
    "the job with more workers": Mutation(JOB, "NumberOfWorkers", job(NumberOfWorkers=100), old=100, new=4),
    "the job with larger workers": Mutation(JOB, "WorkerType", job(WorkerType="G.2X"), old="G.2X", new="G.1X"),
    "the job runs for two days": Mutation(JOB, "Timeout", job(Timeout=2880), old=2880, new=120),
    "the job tries again": Mutation(JOB, "MaxRetries", job(MaxRetries=3), old=3, new=0),
    "two runs of the job at once": Mutation(
        JOB, "ExecutionProperty.MaxConcurrentRuns", job(ExecutionProperty={"MaxConcurrentRuns": 2}), old=2, new=1
    ),
    "the job on dear capacity": Mutation(JOB, "ExecutionClass", job(ExecutionClass="STANDARD"), old="STANDARD"),
    "the job described otherwise": Mutation(JOB, "Description", job(Description="x"), old="x"),
    "a tag of the job changed": Mutation(
        JOB, "Tags.Environment", retag("job", "{settings.glue_job_name}"), old="prod", new="dev"
    ),
    "the job's encryption weakened": Mutation(
        SECURITY, "EncryptionConfiguration.S3Encryption", weaken_encryption, "job-encryption"
    ),
    "the job's trigger stopped": Mutation(
        TRIGGER,
        "Active",
        lambda a: glue(a).stop_trigger(Name=f"{a.settings.glue_job_name}-schedule"),
        old=False,
        new=True,
    ),
    "the job's trigger gives other arguments": Mutation(
        TRIGGER,
        "Actions",
        lambda a: trigger(Actions=[{"JobName": a.settings.glue_job_name, "Arguments": {"--raw_bucket": "x"}}])(a),
    ),
    "the job started once a day": Mutation(
        TRIGGER, "Schedule", trigger(Schedule="cron(0 1 * * ? *)"), old="cron(0 1 * * ? *)"
    ),
    "the job's trigger described otherwise": Mutation(TRIGGER, "Description", trigger(Description="x"), old="x"),
    "a tag of the trigger changed": Mutation(
        TRIGGER, "Tags.Environment", retag("trigger", "{settings.glue_job_name}-schedule"), old="prod", new="dev"
    ),
    # --- The catalog ---
    "the database described otherwise": Mutation(DATABASE, "Description", database(Description="x"), old="x"),
    "the database with a place of its own": Mutation(
        DATABASE,
        "LocationUri",
        database(Description="The lake", LocationUri="s3://elsewhere/"),
        old="s3://elsewhere/",
        new=ABSENT,
    ),
    "a tag of the database changed": Mutation(
        DATABASE, "Tags.Environment", retag("database", "{settings.glue_database}"), old="prod", new="dev"
    ),
    "a column retyped": Mutation(
        TABLE, "StorageDescriptor.Columns[amount].Type", table(retype), old="double", new="string"
    ),
    "a table that lies elsewhere": Mutation(
        TABLE,
        "StorageDescriptor.Location",
        table(lambda found: found["StorageDescriptor"].update(Location="s3://elsewhere/")),
        "table-place",
        "s3://elsewhere/",
    ),
    "a table that reads what its template names": Mutation(
        TABLE,
        "Parameters.storage.location.template",
        table(lambda found: found["Parameters"].update({"storage.location.template": "s3://elsewhere/${x}"})),
        "table-place",
        new=ABSENT,
    ),
    "a table whose first lines are skipped": Mutation(
        TABLE,
        "Parameters.skip.header.line.count",
        table(lambda found: found["Parameters"].update({"skip.header.line.count": "1"})),
        new=ABSENT,
    ),
    "a table read by another library": Mutation(
        TABLE,
        "StorageDescriptor.SerdeInfo.SerializationLibrary",
        table(lambda found: found["StorageDescriptor"]["SerdeInfo"].update(SerializationLibrary="x")),
        old="x",
    ),
    "a table without partitions": Mutation(TABLE, "PartitionKeys", table(lambda found: found.update(PartitionKeys=[]))),
    "a table described otherwise": Mutation(
        TABLE, "Description", table(lambda found: found.update(Description="x")), old="x"
    ),
    "a table of another type": Mutation(
        TABLE, "TableType", table(lambda found: found.update(TableType="VIRTUAL_VIEW")), old="VIRTUAL_VIEW"
    ),
    "a table dropped": Mutation(
        TABLE,
        "TableType",
        lambda a: glue(a).delete_table(DatabaseName=a.settings.glue_database, Name="landing_control"),
        "table-place",
        ABSENT,
        "EXTERNAL_TABLE",
    ),
    "an Iceberg table that tries commits again by itself": Mutation(
        ICEBERG,
        "Properties.commit.retry.num-retries",
        iceberg(**{"commit.retry.num-retries": "4"}),
        old="4",
        new="0",
    ),
    "an Iceberg table that writes elsewhere": Mutation(
        ICEBERG,
        "OtherProperties",
        iceberg(**{"write.data.path": "s3://elsewhere/"}),
        "iceberg-place",
        ["write.data.path"],
        [],
    ),
    "an Iceberg table whose snapshots end early": Mutation(
        ICEBERG, "OtherProperties", iceberg(**{"history.expire.min-snapshots-to-keep": "1"})
    ),
    "an Iceberg table described otherwise": Mutation(ICEBERG, "Description", iceberg(Description="x"), old="x"),
    "a table's snapshots kept for a day": Mutation(
        OPTIMIZER,
        "Configuration.retentionConfiguration.icebergConfiguration.snapshotRetentionPeriodInDays",
        optimizer("retention", keep_snapshots_a_day),
        old=1,
        new=7,
    ),
    "a table compacted no more": Mutation(
        OPTIMIZER,
        "Configuration.enabled",
        optimizer("compaction", lambda found: found.update(enabled=False)),
        old=False,
        new=True,
    ),
    "a table compacted under another role": Mutation(
        OPTIMIZER,
        "Configuration.roleArn",
        optimizer("compaction", lambda found: found.update(roleArn="arn:aws:iam::123456789012:role/other")),
    ),
    # --- Athena ---
    "the workgroup deleted": Mutation(
        ATHENA,
        "EnforceWorkGroupConfiguration",
        lambda a: a.client("athena").delete_work_group(WorkGroup=a.settings.prefix),
        "query-results query-metrics",
        ABSENT,
        True,
    ),
    "clients choose where results go": Mutation(
        ATHENA,
        "EnforceWorkGroupConfiguration",
        athena(EnforceWorkGroupConfiguration=False),
        "query-results",
        False,
        True,
    ),
    "query results go elsewhere": Mutation(
        ATHENA,
        "ResultConfiguration.OutputLocation",
        athena(ResultConfigurationUpdates={"OutputLocation": "s3://elsewhere/"}),
        "query-results",
        "s3://elsewhere/",
    ),
    "query results unencrypted": Mutation(
        ATHENA,
        "ResultConfiguration.EncryptionConfiguration",
        athena(ResultConfigurationUpdates={"RemoveEncryptionConfiguration": True}),
        "query-results",
        ABSENT,
    ),
    "queries measured no more": Mutation(
        ATHENA,
        "PublishCloudWatchMetricsEnabled",
        athena(PublishCloudWatchMetricsEnabled=False),
        "query-metrics",
        False,
        True,
    ),
    "queries without a limit": Mutation(
        ATHENA, "BytesScannedCutoffPerQuery", athena(RemoveBytesScannedCutoffPerQuery=True), old=ABSENT
    ),
    "the workgroup closed": Mutation(ATHENA, "State", athena(state="DISABLED"), old="DISABLED", new="ENABLED"),
    "the workgroup described otherwise": Mutation(ATHENA, "Description", athena(description="x"), old="x"),
}
