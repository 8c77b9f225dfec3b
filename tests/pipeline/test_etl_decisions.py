"""What becomes of a row: curated once, duplicate, redelivered or quarantine; and what each leaves behind."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import pyarrow.parquet
import pytest
from pyspark.sql import functions as F

from data_catalog.transaction_contract import CURATED_FIELDS, POSITION, QUARANTINE_FIELDS, REPLACED
from data_processing import transformations as t
from tests.pipeline.etl_rows import as_lines, line, row

HEAD = ["transaction_id", "sequence_number", "disposition"]


def as_put():
    """Columns that sort rows by the places that they stand at in the stream, then as they were put."""
    places = [F.coalesce(replaced, own) for replaced, own in zip(REPLACED, POSITION, strict=True)]
    return [*in_numbers(*places), *in_numbers(*map(F.col, POSITION))]


def in_numbers(incarnation, shard, number, sub_number):
    return [incarnation, shard, F.length(number), number, sub_number]


@pytest.fixture
def decide(spark, tmp_path):
    """rows -> {(id, sequence number less its base): disposition}, in stream order."""

    def decided(rows, curated=None, earlier=None):
        typed = t.typed(t.parsed(as_lines(spark, tmp_path / "in", [line(each) for each in rows])))
        known = None
        if curated:
            known = spark.createDataFrame(curated, "transaction_id string, content_hash string, status string")
        before = (
            t.positions(as_lines(spark, tmp_path / "earlier", [line(each) for each in earlier])) if earlier else None
        )
        found = t.decided(typed, known, before).orderBy(*as_put()).select(*HEAD, "content_hash", "reason")
        return found.collect()

    return decided


def dispositions(found):
    return [each["disposition"] for each in found]


def test_the_first_of_an_id_in_stream_order_is_curated_and_numbers_are_no_text(decide):
    late, early = row(1, sequence_number="10"), row(1, sequence_number="9")
    found = decide([late, early])
    assert [(each["sequence_number"], each["disposition"]) for each in found] == [("9", "ledger"), ("10", "duplicate")]


def test_same_id_with_other_content_is_a_conflict_and_the_first_stays(decide):
    found = decide([row(1), row(1, sequence_number="49600000000000000009", amount="99.00")])
    assert dispositions(found) == ["ledger", "quarantine"]
    assert [each["reason"] for each in found] == [None, "conflicting_duplicate"]


def test_the_second_conflict_is_measured_against_the_first_row_too(decide):
    rows = [row(1, sequence_number=str(n), amount=amount) for n, amount in ((1, "1.00"), (2, "2.00"), (3, "2.00"))]
    assert dispositions(decide(rows)) == ["ledger", "quarantine", "quarantine"]


@pytest.mark.parametrize(
    "other",
    [
        {"amount": "12.5"},
        {"event_time": "2026-03-02T08:15:30.25Z"},
        {"schema_version": "1.7"},
        {"card_token": "2_other"},
        {"arrival_time": "2026-03-02T10:00:00Z", "landed_at": "2026-03-02T10:00:00Z"},
        {"shard_id": "shardId-000000000007"},
    ],
)
def test_another_spelling_token_or_position_is_the_same_content(decide, other):
    first = row(1, card_token="1_first", card_last4="4242")
    again = row(1, sequence_number="49600000000000000009", card_token="1_first", card_last4="4242") | other
    assert sorted(dispositions(decide([first, again]))) == ["duplicate", "ledger"]


@pytest.mark.parametrize(
    "other",
    [
        {"amount": "12.51"},
        {"card_last4": "4243"},
        {"description": None},
        {"event_time": "2026-03-02T08:15:30.250001Z"},
        {"merchant_name": "x", "description": "y"},
    ],
)
def test_any_other_content_is_a_conflict(decide, other):
    again = row(1, sequence_number="49600000000000000009", card_last4="4242") | other
    found = decide([row(1, card_last4="4242"), {name: value for name, value in again.items() if value is not None}])
    assert dispositions(found) == ["ledger", "quarantine"]


def test_free_text_can_not_be_shifted_between_fields(decide):
    one = row(1, merchant_name="a\u001fb", description="c")
    other = row(1, merchant_name="a", description="b\u001fc", sequence_number="49600000000000000009")
    assert dispositions(decide([one, other])) == ["ledger", "quarantine"]


def test_the_same_position_again_is_redelivered_and_no_duplicate(decide):
    assert sorted(dispositions(decide([row(1), row(1), row(1)]))) == ["ledger", "redelivered", "redelivered"]


def test_a_row_at_fault_is_redelivered_by_its_position_too(decide):
    bad = row(1, currency="XXX")
    assert sorted(dispositions(decide([bad, bad]))) == ["quarantine", "redelivered"]


def test_two_bad_rows_with_the_id_of_a_good_one_leave_it_alone(decide):
    rows = [row(1, currency="XXX", sequence_number=str(n)) for n in (1, 2)] + [row(1)]
    assert dispositions(decide(rows)) == ["quarantine", "quarantine", "ledger"]


def test_a_position_that_a_former_run_processed_is_redelivered(decide):
    found = decide([row(1), row(2)], earlier=[row(1)])
    assert dispositions(found) == ["redelivered", "ledger"]


def test_incarnations_do_not_share_positions(decide):
    found = decide([row(1), row(2, sequence_number=row(1)["sequence_number"], stream_incarnation="20270101T000000Z")])
    assert dispositions(found) == ["ledger", "ledger"]


def test_what_is_curated_already_comes_first(decide):
    content = decide([row(1)])[0]["content_hash"]
    again = row(1, sequence_number="49600000000000000009")
    found = decide([again, row(2)], curated=[("tx-000001", content, "BOOKED"), ("tx-000002", "other", "REJECTED")])
    assert dispositions(found) == ["quarantine", "duplicate"]


LATER = iter(range(49600000000000000900, 49600000000000000999))


def put(**fields):
    """Transaction 1 once more, at a later position."""
    return row(1, sequence_number=str(next(LATER)), **fields)


def test_a_pending_item_is_booked_with_another_amount_and_nothing_conflicts(decide):
    found = decide([put(status="PENDING", amount="150.00"), put(status="BOOKED", amount="43.20")])
    assert dispositions(found) == ["pending", "ledger"]


def test_each_distinct_put_of_a_pending_item_is_held_once_before_its_end_and_behind_it(decide):
    first, second = {"status": "PENDING", "amount": "1.00"}, {"status": "PENDING", "amount": "2.00"}
    found = decide([put(**first), put(**second), put(**first), put(status="REJECTED"), put(**second), put(**first)])
    assert dispositions(found) == ["pending", "pending", "duplicate", "ledger", "duplicate", "duplicate"]
    found = decide([put(status="BOOKED"), put(**first)])
    assert dispositions(found) == ["ledger", "pending"], "a late put is held as it is"


@pytest.mark.parametrize(("first", "second"), [("BOOKED", "REJECTED"), ("REJECTED", "BOOKED")])
def test_the_other_final_state_is_a_conflict_and_the_first_stays(decide, first, second):
    found = decide([put(status=first), put(status=second), put(status=first)])
    assert dispositions(found) == ["ledger", "quarantine", "duplicate"]
    assert found[1]["reason"] == "conflicting_duplicate"


def test_states_that_former_runs_curated_count_as_those_of_this_one(decide):
    pending = decide([put(status="PENDING")])[0]["content_hash"]
    known = [("tx-000001", pending, "PENDING")]
    assert dispositions(decide([put(status="PENDING"), put(status="BOOKED")], curated=known)) == ["duplicate", "ledger"]
    known.append(("tx-000001", "of a final state", "BOOKED"))
    found = decide([put(status="PENDING", amount="3"), put(status="BOOKED")], curated=known)
    assert dispositions(found) == ["pending", "quarantine"]


def test_a_replayed_row_stands_where_the_row_stood_that_it_replaces(decide):
    place = {"replaces_incarnation": row()["stream_incarnation"], "replaces_shard_id": row()["shard_id"]}
    place |= {"replaces_sequence_number": "5", "replaces_sub_sequence_number": 0}
    replayed = row(1, stream_incarnation="replay-0", sequence_number="1", amount="9.00", **place)
    found = decide([row(1, sequence_number="6"), replayed, row(1, sequence_number="4", amount="8.00")])
    assert [(each["sequence_number"], each["disposition"]) for each in found] == [
        ("4", "ledger"), ("1", "quarantine"), ("6", "quarantine"),
    ]  # fmt: skip


def test_fields_of_a_later_version_are_content_only_where_they_are_there(decide):
    former = decide([row(1)])[0]["content_hash"]
    assert former == "59d41af7c6a23c3f61db1c1cd09ba6cc753c8556d89ccff70ed64891b91f456f", "as version 1.0 computed it"
    found = decide([row(1), put(booking_date="2026-03-02"), put(pending_transaction_id="2026-03-02")])
    assert dispositions(found) == ["ledger", "quarantine", "quarantine"]
    assert len({each["content_hash"] for each in found}) == 3


@pytest.fixture(scope="module")
def staged(spark, tmp_path_factory):
    """The staged table of rows of every kind; (DataFrame, its directory)."""
    directory = tmp_path_factory.mktemp("staged")
    rows = [
        row(1),
        row(1, sequence_number="49600000000000000101"),
        row(1, sequence_number="49600000000000000102", amount="7.00"),
        row(2, event_time="2026-03-01T23:59:59.999999Z", amount="10", currency="JPY", account_id="A"),
        row(3, event_time="2026-03-01T00:00:00Z", account_id="B"),
        row(4, amount="1.255"),
        row(4, amount="1.255"),
    ]
    lines = as_lines(spark, directory / "in", [*map(line, rows), "no row at all"])
    table = t.staged(t.decided(t.typed(t.parsed(lines))), "0123456789abcdef")
    table.write.partitionBy(*t.STAGED_PARTITIONS).parquet(str(directory / "rows"))
    return spark.read.parquet(str(directory / "rows")), directory / "rows"


def test_counts_say_where_every_row_ended(staged):
    counts: dict[tuple[str, ...], tuple[int, Decimal]] = {}
    for each in t.staged_counts(staged[0].withColumn("file", F.input_file_name())).collect():
        key = each["disposition"], each["slice"], each["currency"]
        records, amount = counts.get(key, (0, Decimal(0)))
        counts[key] = records + each["records"], amount + each["amount"]
    assert counts == {
        ("ledger", "2026-03-02", "EUR"): (1, Decimal("12.5000")),
        ("ledger", "2026-03-01", "JPY"): (1, Decimal(10)),
        ("ledger", "2026-03-01", "EUR"): (1, Decimal("12.5000")),
        ("duplicate", "-", "EUR"): (1, Decimal("12.5000")),
        ("redelivered", "-", "EUR"): (1, Decimal("1.2550")),
        ("quarantine", "conflicting_duplicate", "EUR"): (1, Decimal(7)),
        ("quarantine", "amount_scale", "EUR"): (1, Decimal("1.2550")),
        ("quarantine", "unreadable_row", None): (1, Decimal(0)),
    }


def test_quarantine_rows_have_the_quarantines_schema_and_can_be_replayed(staged):
    frame = staged[0].where("disposition = 'quarantine'")
    rows = [each.asDict() for each in t.quarantine_rows(frame, "2026-03-09").collect()]
    by_reason = {each["reason"]: each for each in rows}
    assert by_reason.keys() == {"conflicting_duplicate", "amount_scale", "unreadable_row"}
    required = {field.name for field in QUARANTINE_FIELDS if field.required}
    names = {field.name for field in QUARANTINE_FIELDS}
    assert all(each.keys() == names for each in rows)
    assert all(each[name] is not None for each in rows for name in required)
    conflict = by_reason["conflicting_duplicate"]
    expected = row(1, sequence_number="49600000000000000102", amount="7", event_time="2026-03-02T08:15:30.250000Z")
    times = {"arrival_time": "2026-03-02T09:00:00.000000Z", "landed_at": "2026-03-02T09:00:01.500000Z"}
    assert json.loads(conflict["payload"]) == expected | times
    assert by_reason["amount_scale"]["payload"] == line(row(4, amount="1.255"))
    assert by_reason["amount_scale"]["field"] == "amount"
    assert by_reason["unreadable_row"]["payload"] == "no row at all"
    assert by_reason["unreadable_row"]["sequence_number"].isdigit()


def test_curated_files_are_what_the_catalog_says_to_every_reader(staged):
    files = sorted((staged[1] / "disposition=ledger").rglob("*.parquet"))
    expected = {field.name: field for field in CURATED_FIELDS}
    for file in files:
        parquet = pyarrow.parquet.ParquetFile(file)
        assert parquet.schema_arrow.names == list(expected), "COPY is positional: the contract's columns in order"
        types = {"decimal": "decimal128(18, 4)", "timestamp": "timestamp[us, tz=UTC]", "date": "date32[day]"}
        for field in parquet.schema_arrow:
            kind = expected[field.name].type.value
            assert str(field.type) == types.get(kind, {"string": "string", "integer": "int64"}.get(kind))
        group = parquet.metadata.row_group(0)
        assert {group.column(n).compression for n in range(group.num_columns)} == {"ZSTD"}
        assert "INT96" not in {group.column(n).physical_type for n in range(group.num_columns)}
    found = duckdb.read_parquet([str(each) for each in files], hive_partitioning=False)
    assert found.select("transaction_id", "amount", "event_date", "run_id").order("transaction_id").fetchall() == [
        ("tx-000001", Decimal("12.5"), date(2026, 3, 2), "0123456789abcdef"),
        ("tx-000002", Decimal(10), date(2026, 3, 1), "0123456789abcdef"),
        ("tx-000003", Decimal("12.5"), date(2026, 3, 1), "0123456789abcdef"),
    ]
    table = pyarrow.parquet.read_table(files, partitioning=None)
    assert max(table["event_time"].to_pylist()) == datetime(2026, 3, 2, 8, 15, 30, 250000, UTC)


def test_within_a_file_rows_are_sorted_for_pruning(spark, tmp_path):
    rows = [row(n, account_id=f"DE{(n * 7) % 50:04}") for n in range(100)]
    lines = as_lines(spark, tmp_path / "in", map(line, rows))
    t.staged(t.decided(t.typed(t.parsed(lines))), "r").write.partitionBy(*t.STAGED_PARTITIONS).parquet(
        str(tmp_path / "out")
    )
    files = list((tmp_path / "out").rglob("*.parquet"))
    for file in files:
        accounts = pyarrow.parquet.read_table(file, partitioning=None)["account_id"].to_pylist()
        assert accounts == sorted(accounts)
    assert files


def test_an_object_that_ends_without_a_line_feed_does_not_swallow_the_next(spark, tmp_path):
    from data_processing.staging import _LINE_FEED

    file = tmp_path / "joined.gz"
    file.write_bytes(b"".join(gzip.compress(line(row(n)).encode()) + _LINE_FEED for n in (1, 2)))
    rows = t.typed(t.parsed(spark.read.text(str(file), lineSep="\n")))
    assert [each["reason"] for each in rows.collect()] == [None, None]
