"""The Glue job that curates and loads, and the trigger that starts it.

    python data_processing/create_glue_job.py        # deploy or mend the job alone

The job needs no arguments but its defaults, so it can be started from the console as it is. The keys of its script and
modules in the artifacts bucket name their content: a deployment never changes the files of a run that has begun, and no
run mixes the script of one deployment with the modules of another.

One run at a time (MaxConcurrentRuns 1): while a run is at work, Glue queues the trigger's next start (status WAITING),
and that run takes what has arrived meanwhile. What failed, the next run finishes. Spare capacity (Flex) is cheaper but
may have to be waited for, so prod does not use it. Bookmarks are off, because manifests say what a run processes
(docs/etl.md).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable

from data_catalog.lake_layout import STAGING_PREFIX
from data_processing.job_package import SCRIPT, job_zip
from data_processing.job_wheels import NAME as WHEELS_NAME
from data_processing.job_wheels import REQUIREMENTS as WHEELS
from data_processing.job_wheels import wheels_zip
from infrastructure.aws.glue import Job, SecurityConfiguration, Trigger
from infrastructure.aws.s3 import S3Object, content_sha256
from infrastructure.log_groups import log_group
from infrastructure.planning.resource import Clients, IfPresent, Properties, Resource
from infrastructure.references import (
    GLUE_LOG_GROUPS,
    LOG_KEY_PURPOSE,
    bucket_id,
    key_arn,
    load_ids,
    role_id,
    warehouse_target,
)
from infrastructure.settings import Settings

_PART = "data_processing"
_FOLDER = "glue"  # prefix in the artifacts bucket that the job's role may read
_KEY_DIGITS = 16
_FLEX_WORKERS = ("G.1X", "G.2X")  # the only worker types that Glue offers as spare capacity


def resources(settings: Settings, clients: Clients, wheels: Callable[[], bytes] = wheels_zip) -> list[Resource]:
    """Log groups, security configuration, the job's files, the job and its trigger.

    wheels: the zip of the job's libraries; the embedded stack, which has them itself, gives a placeholder.
    """
    configuration = _security_configuration(settings, clients)
    groups = [log_group(settings, clients, _PART, name) for name in log_groups(settings)]
    script = _file(settings, clients, SCRIPT.name, SCRIPT.read_bytes)
    modules = _file(settings, clients, "modules.zip", lambda: job_zip(settings.fraud_rules_file))
    # Named by the list of its wheels, which are pinned: the zip is built only when it is compared or put.
    libraries = _file(settings, clients, WHEELS_NAME, functools.cache(wheels), WHEELS.read_bytes())
    job = Job(
        part=_PART,
        name=settings.glue_job_name,
        clients=clients,
        arn=settings.arn("glue", f"job/{settings.glue_job_name}"),
        depends_on=(
            configuration.id,
            script.id,
            modules.id,
            libraries.id,
            role_id(settings, "glue"),
            *(group.id for group in groups),
            *(bucket_id(settings, purpose) for purpose in ("raw", "curated", "quarantine")),
        ),
        after=load_ids(settings),  # the trigger starts the job at once
        properties={
            "Description": "Curates landed transactions and loads the warehouse",
            "Role": settings.role_arn("glue"),
            "Command": {"Name": "glueetl", "ScriptLocation": f"s3://{script.name}", "PythonVersion": "3"},
            "DefaultArguments": default_arguments(settings, f"s3://{modules.name}", f"s3://{libraries.name}")
            | _where_there_is_a_warehouse(settings),
            "ExecutionProperty": {"MaxConcurrentRuns": 1},
            "JobRunQueuingEnabled": True,
            "MaxRetries": 0,  # Glue queues only runs of jobs without retries; the next run retries what failed
            "Timeout": settings.glue_timeout_minutes,
            "GlueVersion": settings.glue_version,
            "WorkerType": settings.glue_worker_type,
            "NumberOfWorkers": settings.glue_workers,
            "SecurityConfiguration": configuration.name,
            "ExecutionClass": _execution_class(settings),
            "Tags": settings.all_tags,
        },
    )
    return [*groups, configuration, script, modules, libraries, job, _trigger(settings, clients, job)]


def default_arguments(settings: Settings, modules_url: str, libraries_url: str) -> dict[str, str]:
    """The arguments of a run that is given no others: Glue's own, then the script's."""
    return {
        "--extra-py-files": modules_url,
        "--additional-python-modules": libraries_url,
        "--python-modules-installer-option": "--no-index",
        "--TempDir": f"s3://{settings.bucket('curated')}/{STAGING_PREFIX}glue/",
        "--job-language": "python",
        "--job-bookmark-option": "job-bookmark-disable",
        "--enable-auto-scaling": "true",
        "--enable-metrics": "true",
        "--enable-observability-metrics": "true",
        "--enable-continuous-cloudwatch-log": "true",
        "--raw_bucket": settings.bucket("raw"),
        "--curated_bucket": settings.bucket("curated"),
        "--quarantine_bucket": settings.bucket("quarantine"),
        "--glue_database": settings.glue_database,
        "--stream_retention_hours": str(settings.stream_retention_hours),
        "--deduplication_window_days": str(settings.deduplication_window_days),
        "--timeout_minutes": str(settings.glue_timeout_minutes),
        "--metrics_namespace": settings.metrics_namespace,
        "--region": settings.region,
        **_load_arguments(settings),
    }


def _load_arguments(settings: Settings) -> dict[str, str]:
    if not settings.redshift_enabled:
        return {}
    target = warehouse_target(settings)
    given = {
        "--redshift_workgroup": target.workgroup,
        "--redshift_cluster": target.cluster,
        "--redshift_database": target.database,
        "--redshift_schema": target.schema,
        "--redshift_copy_role_arn": target.copy_role_arn,
    }
    return {name: value for name, value in given.items() if value}


def _execution_class(settings: Settings) -> str:
    flexible = settings.environment != "prod" and settings.glue_worker_type in _FLEX_WORKERS
    return "FLEX" if flexible else "STANDARD"


def _where_there_is_a_warehouse(settings: Settings) -> dict[str, IfPresent]:
    """The load's arguments. Without them a run only curates; with them it fails if there is no warehouse."""
    arguments = _load_arguments(settings)
    return {name: IfPresent(load_ids(settings)[0], value) for name, value in arguments.items()}


def log_groups(settings: Settings) -> list[str]:
    """The log groups of a job with a security configuration: standard error, standard output, continuous log.

    AWS documents two names for the first two. A group that Glue makes itself is kept for ever, so both are made.
    """
    configuration, role = settings.prefix, settings.role_name("glue")
    names = (f"{GLUE_LOG_GROUPS}/{configuration}-role/{role}", f"{GLUE_LOG_GROUPS}-{role}-{configuration}")
    streams = [f"{name}/{stream}" for name in names for stream in ("error", "output")]
    return [*streams, f"{GLUE_LOG_GROUPS}/logs-v2-{configuration}"]


def schedule(minutes: int) -> str:
    """Glue's cron expression for a start every so many minutes."""
    return f"cron(0/{minutes} * * * ? *)" if minutes < 60 else "cron(0 * * * ? *)"


def _security_configuration(settings: Settings, clients: Clients) -> SecurityConfiguration:
    data, logs = key_arn(settings, "data"), key_arn(settings, LOG_KEY_PURPOSE)
    return SecurityConfiguration(
        part=_PART,
        name=settings.prefix,
        clients=clients,
        properties={
            "EncryptionConfiguration": {
                "S3Encryption": [{"S3EncryptionMode": "SSE-KMS", "KmsKeyArn": data}],
                "CloudWatchEncryption": {"CloudWatchEncryptionMode": "SSE-KMS", "KmsKeyArn": logs},
                "JobBookmarksEncryption": {"JobBookmarksEncryptionMode": "CSE-KMS", "KmsKeyArn": data},
            }
        },
    )


def _file(
    settings: Settings, clients: Clients, name: str, content: Callable[[], bytes], named_by: bytes | None = None
) -> S3Object:
    digest = hashlib.sha256(content() if named_by is None else named_by).hexdigest()[:_KEY_DIGITS]
    return S3Object(
        part=_PART,
        name=f"{settings.bucket('artifacts')}/{_FOLDER}/{digest}/{name}",
        clients=clients,
        content=content,
        depends_on=(bucket_id(settings, "artifacts"),),
        properties={"Sha256": lambda: content_sha256(content())},
    )


def _trigger(settings: Settings, clients: Clients, job: Job) -> Trigger:
    name = f"{settings.glue_job_name}-schedule"
    properties: Properties = {
        "Schedule": schedule(settings.glue_every_minutes),
        "Actions": [{"JobName": job.name}],
        "Description": "Starts the job; what arrived since its last run is curated and loaded",
        "Active": True,
        "Tags": settings.all_tags,
    }
    return Trigger(
        part=_PART,
        name=name,
        clients=clients,
        arn=settings.arn("glue", f"trigger/{name}"),
        depends_on=(job.id,),
        wanted=settings.glue_every_minutes > 0,
        properties=properties,
    )


if __name__ == "__main__":
    from infrastructure.run_alone import run_alone

    run_alone("apply-file", __file__)
