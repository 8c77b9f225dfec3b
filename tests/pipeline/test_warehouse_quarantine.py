"""What landing and job refused is in the warehouse, each record once."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from data_catalog.transaction_contract import QUARANTINE_FIELDS
from data_governance.run_result import PublishedFile
from data_storage import warehouse_loader
from tests.pipeline.curated_runs import BUCKET, parquet, put_result, run_id
from tests.pipeline.warehouse_bench import open_bench


def refused(number: int, stage: str, **fields: Any) -> dict[str, Any]:
    return {
        "reason": "invalid_amount", "stage": stage, "amount": Decimal(number), "fingerprint": f"f{number}",
        "stream_incarnation": "20260301T000000Z", "shard_id": "shardId-000000000000", "sequence_number": str(number),
        "sub_sequence_number": 0, "arrival_time": datetime(2026, 3, 4, tzinfo=UTC), "payload": "{",
    } | fields  # fmt: skip


def put(s3: Any, name: str, rows: list[dict[str, Any]], created_at: datetime) -> None:
    """A run that refused these, and nothing else."""
    body = parquet(rows, QUARANTINE_FIELDS)
    key = f"quarantine_table/data/2026-03-04/{run_id(name)}.parquet"
    s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    file = PublishedFile(key, len(body), len(rows), date(2026, 3, 4))
    put_result(s3, name, [], [], {"invalid_amount": len(rows)}, created_at, quarantine=[file])


def test_a_record_that_two_runs_bring_is_there_once_and_both_stages_are(warehouse):
    with open_bench(warehouse) as bench, warehouse.connect() as loaded:
        first = [refused(1, "landing"), refused(2, "etl", run_id=run_id("one"))]
        put(bench.s3, "one", first, datetime(2026, 3, 5, tzinfo=UTC))
        put(bench.s3, "two", [refused(1, "landing"), refused(3, "landing")], datetime(2026, 3, 6, tzinfo=UTC))
        for _ in range(2):
            warehouse_loader.load_pending(bench.data_api, bench.s3, bench.target, BUCKET)
        found = loaded.execute("SELECT sequence_number, stage, amount FROM banking.quarantine ORDER BY 1").fetchall()
        assert found == [("1", "landing", 1), ("2", "etl", 2), ("3", "landing", 3)]
