"""Controls on the job, the catalog and Athena."""

from __future__ import annotations

from collections.abc import Iterator

from data_governance.controls.control import (
    GOOD_PRACTICE,
    ICEBERG_TABLE,
    JOB,
    SECURITY_CONFIGURATION,
    TABLE,
    WORKGROUP_ATHENA,
    Control,
    Severity,
    Subject,
    is_own_key,
    unless,
)
from infrastructure.settings import BUCKET_PURPOSES, Settings

_OLDEST_GLUE = 5.0
_CODE_ARGUMENTS = ("--extra-py-files", "--extra-jars", "--extra-files", "--additional-python-modules")
_ELSEWHERE = ("write.data.path", "write.metadata.path", "write.object-storage.path", "write.folder-storage.path")


def _own_buckets(settings: Settings) -> tuple[str, ...]:
    return tuple(f"s3://{settings.bucket(purpose)}/" for purpose in BUCKET_PURPOSES)


def _encrypts(configuration: Subject) -> Iterator[str]:
    found = configuration["EncryptionConfiguration"]
    objects = (found.get("S3Encryption") or [{}])[0]
    parts = (
        ("objects", objects.get("S3EncryptionMode"), "SSE-KMS", objects.get("KmsKeyArn")),
        ("logs", *_part(found, "CloudWatchEncryption", "SSE-KMS")),
        ("bookmarks", *_part(found, "JobBookmarksEncryption", "CSE-KMS")),
    )
    for what, mode, wanted, key in parts:
        if mode != wanted or not is_own_key(key, configuration.settings):
            yield f"{what} are encrypted by {key or mode or 'nothing'}"


def _part(found: dict[str, dict[str, str]], name: str, wanted: str) -> tuple[str | None, str, str | None]:
    part = found.get(name) or {}
    return part.get(f"{name}Mode"), wanted, part.get("KmsKeyArn")


def _own_code(job: Subject) -> Iterator[str]:
    artifacts = f"s3://{job.settings.bucket('artifacts')}/"
    arguments = job["DefaultArguments"] | (job["NonOverridableArguments"] or {})
    places = [job["Command"]["ScriptLocation"]]
    places += [place for name in _CODE_ARGUMENTS for place in arguments.get(name, "").split(",") if place]
    for place in places:
        if not place.startswith(artifacts):
            yield f"runs code of {place}"
    if job["SourceControlDetails"]:
        yield "takes its script from a repository by itself"


def _own_network(job: Subject) -> list[str]:
    return [f"uses the connection {name}" for name in (job["Connections"] or {}).get("Connections", [])]


def _table_in_own_bucket(table: Subject) -> Iterator[str]:
    storage = table["StorageDescriptor"]
    for place in (storage.get("Location", ""), *storage.get("AdditionalLocations", ())):
        if not place.startswith(_own_buckets(table.settings)):
            yield f"lies in {place}"
    for name, place in table["Parameters"].items():
        if name == "storage.location.template" and not place.startswith(_own_buckets(table.settings)):
            yield f"{name} is {place}"
    if table["TargetTable"]:
        yield f"is a link to {table['TargetTable']}"


def _iceberg_in_own_bucket(table: Subject) -> Iterator[str]:
    if not table["Location"].startswith(_own_buckets(table.settings)):
        yield f"lies in {table['Location']}"
    yield from (f"{name} moves its files" for name in table["OtherProperties"] if name in _ELSEWHERE)


def _results(group: Subject) -> Iterator[str]:
    results = group["ResultConfiguration"] or {}
    encryption = results.get("EncryptionConfiguration") or {}
    if not group["EnforceWorkGroupConfiguration"]:
        yield "clients may choose where results go, and unencrypted"
    if encryption.get("EncryptionOption") != "SSE_KMS" or not is_own_key(encryption.get("KmsKey"), group.settings):
        yield f"results are encrypted by {encryption.get('KmsKey') or encryption.get('EncryptionOption') or 'nothing'}"
    if not results.get("OutputLocation", "").startswith(_own_buckets(group.settings)):
        yield f"results go to {results.get('OutputLocation')}"


_JOB = "aws glue get-job --job-name JOB"
_TABLE = "aws glue get-table --database-name DATABASE --name TABLE"
_GROUP = "aws athena get-work-group --work-group WORKGROUP"

LAKE: tuple[Control, ...] = (
    Control(
        "job-encryption",
        "3.5.1",
        (),
        "the job encrypts objects, logs and bookmarks with customer keys",
        (SECURITY_CONFIGURATION,),
        Severity.MEDIUM,
        "",
        "aws glue get-security-configuration --name NAME",
        _encrypts,
    ),
    Control(
        "job-uses-encryption",
        "3.5.1",
        ("Glue.3",),
        "the job runs with that encryption",
        (JOB,),
        Severity.MEDIUM,
        "",
        _JOB,
        lambda job: unless(
            job["SecurityConfiguration"] == job.settings.prefix, f"runs with {job['SecurityConfiguration'] or 'none'}"
        ),
    ),
    Control(
        "job-code",
        "11.5.2",
        (),
        "the job runs nothing but what apply put into the artifacts bucket",
        (JOB,),
        Severity.HIGH,
        "",
        _JOB,
        _own_code,
    ),
    Control(
        "job-network",
        "1.3.2",
        (),
        "the job has no connection to other networks",
        (JOB,),
        Severity.HIGH,
        "",
        _JOB,
        _own_network,
    ),
    Control(
        "job-version",
        "6.3.3",
        ("Glue.4",),
        "the job's version of Glue is supported",
        (JOB,),
        Severity.MEDIUM,
        "Set GLUE_VERSION.",
        _JOB,
        lambda job: unless(float(job["GlueVersion"]) >= _OLDEST_GLUE, f"runs on Glue {job['GlueVersion']}"),
    ),
    Control(
        "table-place",
        "7.2.1",
        (),
        "tables over landed objects lie in the platform's buckets",
        (TABLE,),
        Severity.HIGH,
        "",
        _TABLE,
        _table_in_own_bucket,
    ),
    Control(
        "iceberg-place",
        "7.2.1",
        (),
        "the lake's tables write into the platform's buckets",
        (ICEBERG_TABLE,),
        Severity.HIGH,
        "Files that were written elsewhere have to be found there.",
        _TABLE,
        _iceberg_in_own_bucket,
    ),
    Control(
        "query-results",
        "3.5.1",
        ("Athena.1",),
        "query results are encrypted in the platform's bucket, whatever the client asks for",
        (WORKGROUP_ATHENA,),
        Severity.HIGH,
        "",
        _GROUP,
        _results,
    ),
    Control(
        "query-metrics",
        GOOD_PRACTICE,
        ("Athena.4",),
        "queries are measured",
        (WORKGROUP_ATHENA,),
        Severity.LOW,
        "",
        _GROUP,
        lambda group: unless(group["PublishCloudWatchMetricsEnabled"], "publishes no metrics"),
    ),
)
