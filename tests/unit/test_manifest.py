"""A run's fixed input: the oldest objects first, its id, its stored form, and what must be read again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from data_catalog.lake_layout import batch_of, run_key, run_of
from data_processing.manifest import Manifest, RawObject, bundles, oldest, overlapping, run_id

NOW = datetime(2026, 11, 23, 13, tzinfo=UTC)


def raw(
    first: int,
    last: int,
    hour: str = "2026-11-23T12",
    shard: str = "20261123T125500Z-shardId-000000000000",
    size: int = 9,
) -> RawObject:
    day, _, hour = hour.partition("T")
    key = f"raw/transactions/arrival_date={day}/arrival_hour={hour}/{shard}-{first}-{last}.ndjson.gz"
    return RawObject(key, size, f"etag-{first}-{last}")


def test_the_run_id_depends_on_the_objects_alone_and_begins_with_the_month() -> None:
    assert run_id([raw(1, 5), raw(6, 9)], NOW) == run_id([raw(6, 9), raw(1, 5)], NOW + timedelta(days=5))
    assert run_id([raw(1, 5)], NOW) != run_id([RawObject(raw(1, 5).key, 9, "other")], NOW)
    assert len(run_id([raw(1, 5)], NOW)) == len("2026-11-") + 16


def test_a_run_lies_in_its_month_and_former_ones_where_they_were() -> None:
    assert run_key("2026-11-0123456789abcdef", "a.json") == "runs/month=2026-11/2026-11-0123456789abcdef/a.json"
    assert run_key("0123456789abcdef", "a.json") == "runs/0123456789abcdef/a.json"
    for run in ("2026-11-0123456789abcdef", "0123456789abcdef"):
        assert run_of(run_key(run, "result.json")) == (run, "result.json")


def test_an_object_lies_in_its_arrival_hour_however_deep() -> None:
    hour = "raw/transactions/arrival_date=2026-11-23/arrival_hour=12/"
    assert raw(1, 2).hour == RawObject(f"{hour}deeper/object", 1, "etag").hour == hour


def test_a_limit_takes_the_oldest_first_and_numbers_are_no_text() -> None:
    listing = [raw(10, 11), raw(9, 9), raw(1, 2, "2026-11-23T11")]
    assert oldest(listing, max_objects=2) == [raw(1, 2, "2026-11-23T11"), raw(9, 9)]


def test_an_object_above_the_byte_limit_is_taken_alone() -> None:
    assert oldest([raw(1, 2, size=500), raw(3, 4, size=1)], max_bytes=100) == [raw(1, 2, size=500)]


def test_a_manifest_survives_its_stored_form() -> None:
    planned = Manifest("0123", NOW, (raw(1, 5),), (raw(4, 4),), False)
    assert Manifest.from_json(planned.to_json()) == planned


def test_the_same_numbers_in_another_shard_or_incarnation_do_not_overlap() -> None:
    other = raw(1, 5, shard="20261124T125500Z-shardId-000000000000")
    assert overlapping([raw(1, 5)], [other]) == []


def overlap(mine: RawObject, other: RawObject) -> bool:
    one, two = batch_of(mine.key), batch_of(other.key)
    assert one and two
    return one.first <= two.last and two.first <= one.last


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6))),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6))),
)
def test_overlap_is_what_comparing_every_pair_finds(ours: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    objects = [raw(first, first + length) for first, length in ours]
    candidates = {raw(first, first + length) for first, length in others}
    expected = {other for other in candidates if any(overlap(mine, other) for mine in objects)}
    assert set(overlapping(objects, candidates)) == expected


@given(st.lists(st.integers(0, 50)), st.integers(1, 40))
def test_bundles_keep_order_and_size(sizes: list[int], target: int) -> None:
    objects = [raw(number, number, size=size) for number, size in enumerate(sizes)]
    groups = bundles(objects, target)
    assert [each for group in groups for each in group] == objects
    assert all(sum(each.size for each in group) <= target or len(group) == 1 for group in groups)
