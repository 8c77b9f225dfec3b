"""Planning of runs: a manifest takes each object once, and lists what must be read again."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from data_catalog.lake_layout import batch_of
from data_processing.manifest import Manifest, RawObject, bundles, list_from, overlapping, plan, run_id

NOW = datetime(2026, 11, 23, 13, tzinfo=UTC)
RETENTION = timedelta(hours=168)


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


def manifest_of(*objects: RawObject, created_at: datetime = NOW, exhausted: bool = True) -> Manifest:
    return Manifest(run_id(objects), created_at, objects, exhausted=exhausted)


def test_nothing_pending_makes_no_manifest() -> None:
    assert plan([raw(1, 5)], [manifest_of(raw(1, 5))], NOW) is None
    assert plan([], [], NOW) is None


def test_an_object_goes_into_one_manifest_only_even_where_its_etag_changed() -> None:
    again = RawObject(raw(1, 5).key, 9, "another etag, as SSE-KMS gives at every put")
    planned = plan([again, raw(6, 9)], [manifest_of(raw(1, 5))], NOW)
    assert planned is not None
    assert planned.objects == (raw(6, 9),)


def test_the_run_id_depends_on_the_objects_alone() -> None:
    assert run_id([raw(1, 5), raw(6, 9)]) == run_id([raw(6, 9), raw(1, 5)])
    assert run_id([raw(1, 5)]) != run_id([RawObject(raw(1, 5).key, 9, "other")])
    assert len(run_id([raw(1, 5)])) == 16


def test_a_limit_takes_the_oldest_first_and_numbers_are_no_text() -> None:
    listing = [raw(10, 11), raw(9, 9), raw(1, 2, "2026-11-23T11")]
    planned = plan(listing, [], NOW, max_objects=2)
    assert planned is not None
    assert planned.objects == (raw(1, 2, "2026-11-23T11"), raw(9, 9))
    assert not planned.exhausted


def test_an_object_above_the_byte_limit_is_taken_alone() -> None:
    planned = plan([raw(1, 2, size=500), raw(3, 4, size=1)], [], NOW, max_bytes=100)
    assert planned is not None
    assert [each.size for each in planned.objects] == [500]


def test_a_manifest_survives_its_stored_form() -> None:
    planned = Manifest("0123", NOW, (raw(1, 5),), (raw(4, 4),), date(2026, 11, 15), False)
    assert Manifest.from_json(planned.to_json()) == planned


def test_objects_of_former_runs_that_overlap_are_looked_at_again() -> None:
    former = manifest_of(raw(1, 5), raw(6, 9), raw(20, 30))
    planned = plan([raw(1, 5), raw(6, 9), raw(20, 30), raw(3, 7)], [former], NOW)
    assert planned is not None
    assert planned.earlier == (raw(1, 5), raw(6, 9))


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


def test_listing_begins_where_something_may_still_land() -> None:
    assert list_from([], RETENTION) is None
    assert list_from([manifest_of(raw(1, 2), exhausted=False)], RETENTION) is None
    assert list_from([manifest_of(raw(1, 2))], RETENTION) == date(2026, 11, 15)


def test_a_run_that_left_something_pending_does_not_move_the_listing_on() -> None:
    whole = manifest_of(raw(1, 2), created_at=NOW)
    cut = manifest_of(raw(3, 4), created_at=NOW + timedelta(days=30), exhausted=False)
    assert list_from([whole, cut], RETENTION) == date(2026, 11, 15)


@given(st.lists(st.integers(0, 50)), st.integers(1, 40))
def test_bundles_keep_order_and_size(sizes: list[int], target: int) -> None:
    objects = [raw(number, number, size=size) for number, size in enumerate(sizes)]
    groups = bundles(objects, target)
    assert [each for group in groups for each in group] == objects
    assert all(sum(each.size for each in group) <= target or len(group) == 1 for group in groups)
