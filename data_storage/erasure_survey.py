"""Finds what lake and warehouse hold of an account: rows by place, and what they are in the books. Changes nothing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import pyarrow
import pyarrow.compute as pc

from data_catalog.lake_layout import (
    CORRECTED_PREFIX,
    LANDING_QUARANTINE_PREFIX,
    REPLAY_CONTROL_PREFIX,
    arrival_of,
)
from data_catalog.lake_tables import BY_KIND
from data_catalog.transaction_contract import FINAL_STATUSES, POSITION
from data_governance.control_totals import ControlKey, ControlTotals, CuratedTotals
from data_governance.kept_totals import RefusedTotals
from data_governance.lake_reader import LakeReader
from data_storage import erasure_sql
from data_storage.erasure_rows import Erased
from infrastructure.aws.iceberg import files_on
from infrastructure.aws.iceberg_history import rows_everywhere
from infrastructure.aws.iceberg_rewrite import rows_of
from infrastructure.aws.redshift_data import DataApi, WarehouseTarget, query

_TRANSACTIONS = ("curated", "pending_transactions")
LANDING, CORRECTED = "quarantine of the landing", "corrected records"


@dataclass(slots=True)
class Survey:
    """What there is of an account. removed, masked: rows by place. last_arrival: of its records.

    refused_at: positions of the account's records in quarantine; others_at: those of others' records that name it.
    landing, corrected: keys of objects to write anew, in the quarantine bucket.
    """

    erased: Erased
    removed: dict[str, int] = field(default_factory=dict)
    masked: dict[str, int] = field(default_factory=dict)
    curated: CuratedTotals = field(default_factory=CuratedTotals)
    refused: RefusedTotals = field(default_factory=RefusedTotals)
    runs: dict[str, ControlTotals] = field(default_factory=dict)
    last_arrival: date | None = None
    refused_at: list[erasure_sql.Position] = field(default_factory=list)
    others_at: list[erasure_sql.Position] = field(default_factory=list)
    landing: list[str] = field(default_factory=list)
    corrected: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not any(self.removed.values()) and not any(self.masked.values())

    @property
    def landing_days(self) -> list[str]:
        return sorted({arrival_of(key)[0] for key in self.landing})

    @property
    def last_day(self) -> date | None:
        """The last day on which something of the account arrived; None if nothing is known to have."""
        days = [date.fromisoformat(day) for day in self.landing_days] + [self.last_arrival]
        return max((day for day in days if day), default=None)

    def _count(self, row: dict[str, Any], totals: ControlTotals) -> None:
        key = ControlKey(row["currency"], row["credit_debit_indicator"])
        for each in (totals, self.runs.setdefault(row["run_id"], ControlTotals())):
            each.add(key, row["amount"])

    def _arrived(self, rows: pyarrow.Table) -> None:
        if rows.num_rows:
            days = (self.last_arrival, pc.max(rows["arrival_time"]).as_py().date())
            self.last_arrival = max(day for day in days if day)


def survey(lake: LakeReader, account: str) -> Survey:
    """Look through every file that a snapshot names, and the objects of the quarantine bucket."""
    found = Survey(Erased(account))
    hashes: set[str] = set()
    cards: set[str] = set()
    for kind in _TRANSACTIONS:
        for column, values in zip((hashes, cards), _transactions(lake, found, kind), strict=True):
            column |= values
    alerts = _alerts_alone(lake, found)
    found.erased = replace(found.erased, hashes=hashes, alerts=alerts, cards=cards)
    for kind in ("transaction_ids", "token_links", "sightings", "fraud_alerts"):
        found.removed[BY_KIND[kind].name] = sum(rows.num_rows for rows in _current(lake, found.erased, kind))
    _quarantine(lake, found)
    _objects(lake, found)
    return found


def _transactions(lake: LakeReader, found: Survey, kind: str) -> tuple[set[str], set[str]]:
    """Count a table of transactions; content hashes and card tokens of the account's rows in all of its snapshots."""
    table, hashes, cards = BY_KIND[kind], set(), set()
    found.removed[table.name] = found.masked[table.name] = 0
    for rows, is_current in rows_everywhere(lake.s3, lake.tables(table.name)):
        own = rows.filter(found.erased.takes_out(table, rows))
        hashes |= set(own["content_hash"].to_pylist())
        cards |= set(own["card_token"].drop_null().to_pylist())
        found._arrived(own)
        if is_current:
            found.removed[table.name] += own.num_rows
            found.masked[table.name] += found.erased.masks(rows)
            for row in own.select(["currency", "credit_debit_indicator", "amount", "status", "run_id"]).to_pylist():
                # As the books count: by status and not by table.
                final = row["status"] in FINAL_STATUSES
                found._count(row, found.curated.ledger if final else found.curated.pending)
    return hashes, cards


def _alerts_alone(lake: LakeReader, found: Survey) -> set[str]:
    """Count the account's evidence; the alerts that rest on nothing else."""
    table = BY_KIND["fraud_alert_evidence"]
    own, others, count = set(), set(), 0
    for rows, is_current in rows_everywhere(lake.s3, lake.tables(table.name)):
        mine = found.erased.takes_out(table, rows)
        own |= set(rows.filter(mine)["alert_id"].to_pylist())
        others |= set(rows.filter(pc.invert(mine))["alert_id"].to_pylist())
        count += int(pc.sum(mine).as_py() or 0) if is_current else 0
    found.removed[table.name] = count
    return own - others


def _current(lake: LakeReader, erased: Erased, kind: str) -> Iterator[pyarrow.Table]:
    """The account's rows of a table as it is now, file by file."""
    table = BY_KIND[kind]
    for file in files_on(lake.tables(table.name)):
        rows = rows_of(lake.s3, file.file_path)
        yield rows.filter(erased.takes_out(table, rows))


def _quarantine(lake: LakeReader, found: Survey) -> None:
    """Count what the job refused as the books do: of each run, further copies of the same content as repeated."""
    table, erased = BY_KIND["quarantine"], found.erased
    found.removed[table.name] = found.masked[table.name] = 0
    replaced, seen = _replayed(lake), set()
    for file in files_on(lake.tables(table.name)):
        every = rows_of(lake.s3, file.file_path)
        named = [erased.named_in(payload or "") for payload in every["payload"].to_pylist()]
        rows, others = (
            every.filter(pyarrow.array([each == how for each in named], pyarrow.bool_())) for how in ("own", "other")
        )
        found.removed[table.name] += rows.num_rows
        found.refused_at += _positions(rows.to_pylist())
        found.masked[table.name] += others.num_rows
        found.others_at += _positions(others.to_pylist())
        found._arrived(rows)
        for row in rows.filter(pc.equal(rows["stage"], "etl")).to_pylist():
            if tuple(row[each] for each in POSITION) in replaced:
                found.refused.replaced.add(ControlKey(row["currency"], row["credit_debit_indicator"]), row["amount"])
                continue
            content = row["run_id"], row["fingerprint"]
            found._count(row, found.refused.repeated if content in seen else found.refused.quarantined)
            if content not in seen:
                found.refused.reasons[row["reason"]] = found.refused.reasons.get(row["reason"], 0) + 1
            seen.add(content)


def _positions(rows: Iterable[dict[str, Any]]) -> list[erasure_sql.Position]:
    return [
        (row["stream_incarnation"], row["shard_id"], row["sequence_number"], row["sub_sequence_number"]) for row in rows
    ]


def _replayed(lake: LakeReader) -> set[tuple[Any, ...]]:
    """The positions for which a replay stands."""
    found: set[tuple[Any, ...]] = set()
    for _, body in lake.bodies("raw", lake.keys("raw", REPLAY_CONTROL_PREFIX)):
        control = json.loads(body)
        if control["raw_key"] in lake.keys("raw", control["raw_key"]):  # else it was interrupted
            found.update(tuple(position) for position in control["replay_of"])
    return found


def _objects(lake: LakeReader, found: Survey) -> None:
    """Count what lies in the landing's objects, and in those of people who correct records."""
    found.removed |= {LANDING: 0, CORRECTED: 0}
    found.masked |= {LANDING: 0, CORRECTED: 0}
    for place, prefix, keys in (
        (LANDING, LANDING_QUARANTINE_PREFIX, found.landing),
        (CORRECTED, CORRECTED_PREFIX, found.corrected),
    ):
        for key, body in lake.bodies("quarantine", lake.keys("quarantine", prefix)):
            payloads = lines_of(key, body)
            if place == LANDING:
                payloads = [(json.loads(line).get("payload") or "").encode() for line in payloads]
            named = [found.erased.named_in(payload.decode("utf-8", "replace")) for payload in payloads]
            found.removed[place] += named.count("own")
            found.masked[place] = found.masked.get(place, 0) + named.count("other")
            if any(named):
                keys.append(key)


def lines_of(key: str, body: bytes) -> list[bytes]:
    """The lines of an object, plain or .gz."""
    return (gzip.decompress(body) if key.endswith(".gz") else body).splitlines()


def survey_warehouse(data_api: DataApi, target: WarehouseTarget, found: Survey, salt: str) -> None:
    """Count how many rows of the warehouse go too, and in how many the account is masked."""
    account, removed, masked = found.erased.account, found.removed, found.masked
    # Its quarantine is a copy of the lake's.
    removed["warehouse quarantine"], masked["warehouse quarantine"] = removed["quarantine"], masked["quarantine"]
    for place, statement in erasure_sql.counts(target.schema, account, salt).items():
        ((count,),) = query(data_api, target, statement)
        into = masked if place.endswith(" masked") else removed
        into[f"warehouse {place.removesuffix(' masked')}"] = int(str(count))
