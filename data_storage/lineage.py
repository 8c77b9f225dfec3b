"""OpenLineage events of what runs did: what landed for each, what the job made of it, what was loaded. Pure.

They follow from a run's result.json and its row in the ledger, so they can be made at any time and come out the same:
a run's id is a UUID of its name. The events are those of https://openlineage.io/docs/spec, made by its own client.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    DatasetFacet,
    InputDatasetFacet,
    OutputDatasetFacet,
    RunFacet,
    data_quality_assertions_dataset,
    dataset_version_dataset,
    documentation_job,
    input_statistics_input_dataset,
    job_type_job,
    output_statistics_output_dataset,
    processing_engine_run,
    schema_dataset,
)

from data_catalog.lake_layout import RAW_TRANSACTIONS_PREFIX
from data_catalog.lake_tables import LAKE_TABLES, LakeTable
from data_governance.control_totals import ControlTotals
from data_governance.run_result import PublishedFile, RunResult
from data_storage.warehouse_loader import LedgerRow
from infrastructure.aws.redshift_data import WarehouseTarget
from infrastructure.settings import Settings

_LANDING, _JOB, _LOAD = "landing", "etl-transactions", "load-warehouse"
_WAREHOUSE_PORT = 5439
_ABOUT = {
    _LANDING: ("STREAMING", "AWS_LAMBDA", "Validates the stream's records, tokenises card numbers, lands each batch"),
    _JOB: ("BATCH", "AWS_GLUE", "Decides on landed records, once each, and commits them to the lake's tables"),
    _LOAD: ("BATCH", "AMAZON_REDSHIFT", "Loads a run's curated records into the warehouse, in one transaction"),
}


@dataclass(frozen=True, slots=True)
class LineageNames:
    """How jobs and datasets are named. producer: the URI of the program that makes the events."""

    settings: Settings
    warehouse: WarehouseTarget
    producer: str

    def stream(self) -> tuple[str, str]:
        return self.settings.arn("kinesis", "").removesuffix(":"), f"stream/{self.settings.stream_name}"

    def raw(self) -> tuple[str, str]:
        return f"s3://{self.settings.bucket('raw')}", RAW_TRANSACTIONS_PREFIX.removesuffix("/")

    def table(self, name: str) -> tuple[str, str]:
        return self.settings.arn("glue", "").removesuffix(":"), f"table/{self.settings.glue_database}/{name}"

    def warehouse_table(self, name: str) -> tuple[str, str]:
        target = self.warehouse
        where = f"redshift://{target.workgroup or target.cluster}.{self.settings.region}:{_WAREHOUSE_PORT}"
        return where, f"{target.database}.{target.schema}.{name}"


def events_of(
    names: LineageNames, result: RunResult, committed: datetime, loaded: LedgerRow | None
) -> Iterator[RunEvent]:
    """The events of a run, in the order of time. committed: when its result.json was put."""
    raw = InputDataset(*names.raw(), inputFacets=_counted(result))
    landed = result.control_totals.get("landed", ControlTotals()).records
    taken = OutputDataset(*names.raw(), outputFacets=_statistics(landed, files=result.raw_objects))
    yield from _run(
        names, _LANDING, result.run_id, (result.created_at, result.created_at), [InputDataset(*names.stream())], [taken]
    )
    outputs = [
        _committed(names, table, getattr(result, table.kind), result.snapshots[table.name])
        for table in LAKE_TABLES
        if table.name in result.snapshots
    ]
    engine: dict[str, RunFacet] = {
        "processing_engine": processing_engine_run.ProcessingEngineRunFacet(result.versions["spark"], "spark")
    } if "spark" in result.versions else {}  # fmt: skip
    yield from _run(
        names, _JOB, result.run_id, (result.created_at, max(result.created_at, committed)), [raw], outputs, engine
    )
    if loaded:
        at = datetime.fromisoformat(loaded.loaded_at).replace(tzinfo=UTC)
        rows = {
            "fact_transactions": loaded.rows_loaded,
            "pending_transactions": loaded.pending_loaded,
            "fraud_alerts": loaded.fraud_alerts,
        }
        read = [InputDataset(*names.table(table.name)) for table in LAKE_TABLES if table.name in result.snapshots]
        written = [
            OutputDataset(*names.warehouse_table(name), outputFacets=_statistics(count)) for name, count in rows.items()
        ]
        yield from _run(names, _LOAD, result.run_id, (at, at), read, written)


def _run(
    names: LineageNames,
    name: str,
    run_id: str,
    between: tuple[datetime, datetime],
    inputs: Sequence[InputDataset],
    outputs: Sequence[OutputDataset],
    facets: Mapping[str, RunFacet] | None = None,
) -> Iterator[RunEvent]:
    """Its beginning and its end, with the same datasets."""
    kind, integration, description = _ABOUT[name]
    job = Job(
        names.settings.prefix,
        name,
        facets={
            "jobType": job_type_job.JobTypeJobFacet(kind, integration, "JOB"),
            "documentation": documentation_job.DocumentationJobFacet(description),
        },
    )
    unique = f"{names.settings.prefix}/{names.settings.account_id}/{names.settings.region}/{name}/{run_id}"
    run = Run(str(uuid5(NAMESPACE_URL, unique)), facets=dict(facets or {}))
    for state, at in zip((RunState.START, RunState.COMPLETE), between, strict=True):
        yield RunEvent(
            eventTime=at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            producer=names.producer,
            run=run,
            job=job,
            eventType=state,
            inputs=list(inputs),
            outputs=list(outputs),
        )


def _statistics(rows: int, size: int | None = None, files: int | None = None) -> dict[str, OutputDatasetFacet]:
    return {"outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rows, size, files)}


def _counted(result: RunResult) -> dict[str, InputDatasetFacet]:
    """What the job read, and whether it accounts for every record."""
    totals = result.control_totals
    into = [totals.get(hop, ControlTotals()) for hop in ("curated", "duplicate", "quarantined", "erased")]
    landed = totals.get("landed", ControlTotals())
    assertion = data_quality_assertions_dataset.Assertion(
        "control_totals",
        success=landed == sum(into, ControlTotals()),
        name="landed = curated + duplicate + quarantined + erased, by currency and indicator",
    )
    return {
        "inputStatistics": input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
            rowCount=landed.records, fileCount=result.raw_objects
        ),
        "dataQualityAssertions": data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet([assertion]),
    }


def _committed(names: LineageNames, table: LakeTable, files: Sequence[PublishedFile], snapshot: int) -> OutputDataset:
    fields = [
        schema_dataset.SchemaDatasetFacetFields(field.name, field.type.value, field.comment) for field in table.fields
    ]
    facets: dict[str, DatasetFacet] = {
        "schema": schema_dataset.SchemaDatasetFacet(fields),
        "version": dataset_version_dataset.DatasetVersionDatasetFacet(str(snapshot)),
    }
    rows, size = (sum(getattr(file, what) for file in files) for what in ("records", "size"))
    return OutputDataset(*names.table(table.name), facets=facets, outputFacets=_statistics(rows, size, len(files)))
