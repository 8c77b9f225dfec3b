"""OpenLineage events keep to the specification's JSON schemas, and say what a run's result and the ledger say."""

from __future__ import annotations

import argparse
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openlineage.client.serde import Serde
from referencing import Registry, Resource

from data_governance.control_totals import ControlKey, ControlTotals
from data_governance.run_result import PublishedFile, RunResult
from data_storage.lineage import LineageNames, events_of
from data_storage.warehouse_loader import LedgerRow
from infrastructure.errors import PlatformError
from infrastructure.references import warehouse_target
from infrastructure.settings import Settings
from scripts.commands.lineage import event_target

SPEC = Path(__file__).with_name("openlineage_spec")
SCHEMAS = {document["$id"]: document for document in (json.loads(file.read_text()) for file in SPEC.glob("*.json"))}
REGISTRY: Registry[Any] = Registry().with_resources(
    (name, Resource.from_contents(schema)) for name, schema in SCHEMAS.items()
)
SETTINGS = Settings()
PLANNED = datetime(2026, 3, 1, 12, tzinfo=UTC)


def totals(records: int) -> ControlTotals:
    found = ControlTotals()
    if records:
        found.add(ControlKey("EUR", "DBIT"), Decimal(records), records)
    return found


RESULT = RunResult(
    run_id="2026-03-0123456789abcdef",
    created_at=PLANNED,
    curated=tuple(PublishedFile(f"{n}.parquet", 1000, 45, date(2026, 3, 1)) for n in range(2)),
    fraud_alerts=(),
    quarantined_by_reason={"amount_scale": 3},
    control_totals={
        "landed": totals(100), "curated": totals(90), "duplicate": totals(7), "quarantined": totals(3),
        "erased": totals(0),
    },
    raw_objects=4,
    versions={"spark": "3.5.6", "python": "3.11.9"},
    snapshots={"transactions": 7, "quarantine": 8},
)  # fmt: skip
LOADED = LedgerRow(RESULT.run_id, "2026-03-01 12:00:00", "2026-03-01 12:05:00.25", 2, 90, 88, 1, 3, 2)


def made(result: RunResult = RESULT, loaded: LedgerRow | None = LOADED) -> list[dict[str, Any]]:
    names = LineageNames(SETTINGS, warehouse_target(SETTINGS), "urn:banking-data:test")
    committed = result.created_at + timedelta(minutes=1)
    return [json.loads(Serde.to_json(event)) for event in events_of(names, result, committed, loaded)]


def facets_in(document: Any) -> Iterator[dict[str, Any]]:
    if isinstance(document, dict):
        if "_schemaURL" in document:
            yield document
        for value in document.values():
            yield from facets_in(value)
    elif isinstance(document, list):
        for value in document:
            yield from facets_in(value)


def validate(document: dict[str, Any], url: str) -> None:
    Draft202012Validator({"$ref": url}, registry=REGISTRY, format_checker=FormatChecker()).validate(document)


def test_events_and_each_of_their_facets_keep_to_the_specification() -> None:
    for event in made():
        assert event["schemaURL"].endswith("/RunEvent")
        validate(event, event["schemaURL"])
        facets = list(facets_in(event))
        assert facets
        for facet in facets:
            validate(facet, facet["_schemaURL"])


def test_each_job_begins_and_ends_once_under_an_id_that_stays() -> None:
    events = made()
    assert [(event["job"]["name"], event["eventType"]) for event in events] == [
        (job, state) for job in ("landing", "etl-transactions", "load-warehouse") for state in ("START", "COMPLETE")
    ]
    assert [event["eventTime"] for event in events] == sorted(event["eventTime"] for event in events)
    assert len({event["run"]["runId"] for event in events}) == 3
    assert [event["run"]["runId"] for event in made()] == [event["run"]["runId"] for event in events]
    others = made(replace(RESULT, run_id="2026-03-fedcba9876543210"))
    assert not {event["run"]["runId"] for event in others} & {event["run"]["runId"] for event in events}


def test_what_one_job_writes_is_what_the_next_one_reads() -> None:
    landing, job, load = (event for event in made() if event["eventType"] == "COMPLETE")

    def names(datasets: list[dict[str, Any]]) -> set[tuple[str, str]]:
        return {(each["namespace"], each["name"]) for each in datasets}

    assert names(landing["inputs"]) == {("arn:aws:kinesis:us-east-1:123456789012", f"stream/{SETTINGS.stream_name}")}
    assert names(landing["outputs"]) == names(job["inputs"])
    assert names(job["outputs"]) == names(load["inputs"])
    assert ("arn:aws:glue:us-east-1:123456789012", "table/banking_data_dev/transactions") in names(load["inputs"])
    assert {name for _, name in names(load["outputs"])} == {
        "banking.banking.fact_transactions", "banking.banking.pending_transactions", "banking.banking.fraud_alerts"
    }  # fmt: skip


def test_rows_files_and_snapshots_are_those_of_the_result() -> None:
    job = next(event for event in made() if event["job"]["name"] == "etl-transactions")
    counted = job["inputs"][0]["inputFacets"]["inputStatistics"]
    assert (counted["rowCount"], counted["fileCount"]) == (100, 4)
    output = next(each for each in job["outputs"] if each["name"].endswith("/transactions"))
    written = output["outputFacets"]["outputStatistics"]
    assert (written["rowCount"], written["fileCount"], written["size"]) == (90, 2, 2000)
    assert output["facets"]["version"]["datasetVersion"] == "7"
    assert job["run"]["facets"]["processing_engine"]["version"] == "3.5.6"


@pytest.mark.parametrize(("landed", "holds"), [(100, True), (101, False)])
def test_whether_the_run_accounts_for_every_record_is_an_assertion(landed: int, holds: bool) -> None:
    result = replace(RESULT, control_totals={**RESULT.control_totals, "landed": totals(landed)})
    job = next(event for event in made(result) if event["job"]["name"] == "etl-transactions")
    (assertion,) = job["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert assertion["success"] is holds


def test_a_run_that_is_not_loaded_has_no_load() -> None:
    assert {event["job"]["name"] for event in made(loaded=None)} == {"landing", "etl-transactions"}


@contextmanager
def lineage_server(status: int) -> Iterator[tuple[str, list[tuple[str, str | None, Any]]]]:
    """A server that answers so, and what it was sent: path, authorisation, document."""
    received: list[tuple[str, str | None, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, self.headers["Authorization"], json.loads(body)))
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", received
        finally:
            server.shutdown()
            thread.join()


def sent_to(url: str | None = None, file: str | None = None) -> None:
    names = LineageNames(SETTINGS, warehouse_target(SETTINGS), "urn:banking-data:test")
    with event_target(argparse.Namespace(url=url, file=file)) as emit:
        for event in events_of(names, RESULT, PLANNED, LOADED):
            emit(event)


def test_a_server_gets_every_event_with_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "of-the-bank")
    with lineage_server(201) as (url, received):
        sent_to(url)
    assert len(received) == 6
    assert {(path, key) for path, key, _ in received} == {("/api/v1/lineage", "Bearer of-the-bank")}


def test_a_server_that_refuses_ends_it_with_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENLINEAGE_API_KEY", raising=False)
    with lineage_server(403) as (url, received), pytest.raises(PlatformError, match=r"did not take an event.*403"):
        sent_to(url)
    assert len(received) == 1


@pytest.mark.parametrize("url", ["lineage.bank.example", "not a url"])
def test_what_is_no_url_is_told_before_anything_is_sent(url: str) -> None:
    with pytest.raises(PlatformError, match="is no URL"):
        sent_to(url)


def test_a_file_gets_a_line_for_each_event(tmp_path: Path) -> None:
    sent_to(file=str(tmp_path / "events.ndjson"))
    sent_to(file=str(tmp_path / "events.ndjson"))
    lines = (tmp_path / "events.ndjson").read_text().splitlines()
    assert [json.loads(line) for line in lines] == 2 * [json.loads(line) for line in lines[:6]]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"nowhere/events.ndjson: can't be written \(No such file or directory\)"):
        sent_to(file=str(tmp_path / "nowhere" / "events.ndjson"))
