"""The Glue job that curates and loads, and the trigger that starts it.

    python data_processing/create_glue_job.py        # deploy or mend the job alone

The job's default arguments are all that it needs: started from the console as it is, it does its work. Its script and
its modules lie in the artifacts bucket under keys that name their content, so that a deployment never changes the files
of a run that has begun, and a run never sees the script of one deployment with the modules of another.

One run at a time (MaxConcurrentRuns 1): the trigger's next start while a run is at work is refused by Glue, and the run
after it takes up what has arrived meanwhile. Spare capacity (Flex) is cheaper and may have to be waited for: prod does
not use it. Bookmarks are off: what is processed is told by the manifests (docs/architecture_overview.md).
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data_processing.glue_job import Job, JobFile, SecurityConfiguration, Trigger, content_sha256
from data_processing.job_package import SCRIPT, job_zip
from data_storage.redshift_setup import data_api_target, load_ids
from data_storage.s3_bucket_setup import bucket_id
from infrastructure.resource import Clients, Properties, Resource, WhereThere
from infrastructure.service_settings import ServiceSettings, service_settings
from infrastructure.settings import STAGING_PREFIX, Settings
from monitoring.log_group import LOG_KEY_PURPOSE, log_group
from security.iam_roles import GLUE_LOG_GROUPS, role_id
from security.kms_keys import key_arn

_PART = "data_processing"
_FOLDER = "glue"  # of the artifacts bucket; the job's role may read it
_KEY_DIGITS = 16
_FLEX_WORKERS = ("G.1X", "G.2X")  # Glue has no spare capacity of other kinds


def resources(settings: Settings, clients: Clients, services: ServiceSettings | None = None) -> list[Resource]:
    """Log groups, security configuration, the job's files, the job and its trigger."""
    services = services or service_settings()
    configuration = _security_configuration(settings, clients)
    groups = [log_group(settings, clients, _PART, name) for name in log_groups(settings)]
    script = _file(settings, clients, SCRIPT.name, SCRIPT.read_bytes)
    modules = _file(settings, clients, "modules.zip", job_zip)
    job = Job(
        part=_PART,
        name=settings.glue_job_name,
        clients=clients,
        arn=settings.arn("glue", f"job/{settings.glue_job_name}"),
        depends_on=(
            configuration.id,
            script.id,
            modules.id,
            role_id(settings, "glue"),
            *(group.id for group in groups),
            *(bucket_id(settings, purpose) for purpose in ("raw", "curated", "quarantine")),
        ),
        after=load_ids(settings, services),  # the trigger starts the job at once
        properties={
            "Description": "Curates landed transactions and loads the warehouse",
            "Role": settings.role_arn("glue"),
            "Command": {"Name": "glueetl", "ScriptLocation": f"s3://{script.name}", "PythonVersion": "3"},
            "DefaultArguments": default_arguments(settings, services, f"s3://{modules.name}")
            | _where_there_is_a_warehouse(settings, services),
            "ExecutionProperty": {"MaxConcurrentRuns": 1},
            "MaxRetries": services.glue_retries,
            "Timeout": services.glue_timeout_minutes,
            "GlueVersion": services.glue_version,
            "WorkerType": services.glue_worker_type,
            "NumberOfWorkers": services.glue_workers,
            "SecurityConfiguration": configuration.name,
            "ExecutionClass": _execution_class(settings, services),
            "Tags": settings.all_tags,
        },
    )
    return [*groups, configuration, script, modules, job, _trigger(settings, clients, services, job)]


def default_arguments(settings: Settings, services: ServiceSettings, modules_url: str) -> dict[str, str]:
    """The arguments that a run takes unless it is given others: Glue's own, then the script's."""
    return {
        "--extra-py-files": modules_url,
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
        "--stream_retention_hours": str(settings.stream_retention_hours),
        "--region": settings.region,
        **_load_arguments(settings, services),
    }


def _load_arguments(settings: Settings, services: ServiceSettings) -> dict[str, str]:
    if not services.redshift_enabled:
        return {}
    target = data_api_target(settings, services)
    given = {
        "--redshift_workgroup": target.workgroup,
        "--redshift_cluster": target.cluster,
        "--redshift_database": target.database,
        "--redshift_schema": target.schema,
        "--redshift_copy_role_arn": target.copy_role_arn,
    }
    return {name: value for name, value in given.items() if value}


def _execution_class(settings: Settings, services: ServiceSettings) -> str:
    flexible = settings.environment != "prod" and services.glue_worker_type in _FLEX_WORKERS
    return "FLEX" if flexible else "STANDARD"


def _where_there_is_a_warehouse(settings: Settings, services: ServiceSettings) -> dict[str, WhereThere]:
    """The load's arguments: a run without them curates only, one with them fails where no warehouse stands."""
    arguments = _load_arguments(settings, services)
    return {name: WhereThere(load_ids(settings, services)[0], value) for name, value in arguments.items()}


def log_groups(settings: Settings) -> list[str]:
    """Where Glue writes the logs of a job with a security configuration: standard error and output, continuous log."""
    configuration, role = settings.prefix, settings.role_name("glue")
    own = f"{GLUE_LOG_GROUPS}/{configuration}-role/{role}"
    return [f"{own}/error", f"{own}/output", f"{GLUE_LOG_GROUPS}/logs-v2-{configuration}"]


def schedule(minutes: int) -> str:
    """Glue's cron expression for every so many minutes of an hour."""
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


def _file(settings: Settings, clients: Clients, name: str, content: Callable[[], bytes]) -> JobFile:
    digest = hashlib.sha256(content()).hexdigest()[:_KEY_DIGITS]
    return JobFile(
        part=_PART,
        name=f"{settings.bucket('artifacts')}/{_FOLDER}/{digest}/{name}",
        clients=clients,
        content=content,
        depends_on=(bucket_id(settings, "artifacts"),),
        properties={"Sha256": content_sha256(content())},
    )


def _trigger(settings: Settings, clients: Clients, services: ServiceSettings, job: Job) -> Trigger:
    name = f"{settings.glue_job_name}-schedule"
    properties: Properties = {
        "Schedule": schedule(services.glue_every_minutes),
        "JobNames": [job.name],
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
        wanted=services.glue_every_minutes > 0,
        properties=properties,
    )


if __name__ == "__main__":
    from infrastructure.provisioning import run_alone

    raise SystemExit(run_alone(resources, __doc__))
