"""Planning takes each raw object once, looks only where something may be pending, and survives a lost summary."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from data_catalog.lake_layout import Batch, arrival_of
from data_processing.manifest import Manifest, RawObject, overlapping
from data_processing.planning import Listing, plan
from data_processing.taken import Taken

NOW = datetime(2026, 11, 23, 13, 30, tzinfo=UTC)
RETENTION = timedelta(hours=168)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SHARD = "shardId-000000000000"


def raw(first: int, last: int, at: datetime = NOW, shard: str = SHARD, etag: str = "etag") -> RawObject:
    return RawObject(Batch("20261101T000000Z", shard, first, last).raw_key(at), 9, etag)


class Lake:
    """A raw zone and runs, in memory. listed, read: the hours that the last plan listed, the manifests that it read."""

    def __init__(self) -> None:
        self.objects: dict[str, RawObject] = {}
        self.manifests: dict[str, Manifest] = {}
        self.summary = Taken()
        self.listed: list[str] = []
        self.read: list[str] = []

    def land(self, *objects: RawObject) -> None:
        self.objects |= {each.key: each for each in objects}

    def hours(self, since: date | None) -> list[str]:
        hours = {each.hour for each in self.objects.values()}
        return sorted(hour for hour in hours if since is None or arrival_of(hour)[0] >= since.isoformat())

    def listings(self, known: dict[str, str]) -> Iterator[Listing]:
        for hour, digest in known.items():
            self.listed.append(hour)
            objects = sorted(each for each in self.objects.values() if each.hour == hour)
            found = "\n".join(each.key for each in objects)
            yield Listing(hour, found, None if found == digest else objects)

    def keys_of(self, run_ids: set[str], hour: str) -> set[str]:
        self.read += run_ids
        return {each.key for run_id in run_ids for each in self.manifests[run_id].objects if each.hour == hour}

    @property
    def taken(self) -> list[str]:
        return sorted(each.key for manifest in self.manifests.values() for each in manifest.objects)

    def run(
        self, now: datetime = NOW, *, keeps_summary: bool = True, is_open: bool = False, limit: int = 100
    ) -> Manifest | None:
        """Plan a run as the job does; it may be killed before it keeps the summary."""
        self.listed, self.read = [], []
        taken = copy.deepcopy(self.summary)
        for run_id in taken.runs - self.manifests.keys():
            taken.forget(run_id)
        for run_id in sorted(self.manifests.keys() - taken.runs):
            if run_id[:7] >= taken.month:
                taken.add(self.manifests[run_id])
        planned = plan(self, self, taken, RETENTION, now, limit)
        if planned.manifest:
            self.manifests[planned.manifest.run_id] = planned.manifest
            taken.add(planned.manifest)
        taken.checked(planned.emptied, now)
        taken.settle(RETENTION, now, [planned.manifest.run_id] if planned.manifest and is_open else [])
        if keeps_summary:
            self.summary = Taken.from_json(taken.to_json())
        return planned.manifest


def keys(objects: Collection[RawObject]) -> list[str]:
    return [each.key for each in objects]


def test_nothing_pending_makes_no_manifest() -> None:
    lake = Lake()
    assert lake.run() is None
    lake.land(raw(1, 5))
    assert lake.run() is not None
    assert lake.run() is None


def test_an_object_goes_into_one_manifest_only_even_where_its_etag_changed() -> None:
    lake = Lake()
    lake.land(raw(1, 5))
    lake.run()
    lake.land(raw(1, 5, etag="another, as SSE-KMS gives at every put"), raw(6, 9))
    planned = lake.run()
    assert planned
    assert planned.objects == (raw(6, 9),)


def test_a_run_that_was_cut_leaves_the_rest_to_the_next() -> None:
    lake = Lake()
    lake.land(raw(1, 5, NOW - 3 * HOUR), raw(6, 9, NOW - 2 * HOUR), raw(10, 12, NOW - 2 * HOUR), raw(13, 14))
    first, second = lake.run(limit=2), lake.run()
    assert first and second
    assert keys(first.objects) == keys([raw(1, 5, NOW - 3 * HOUR), raw(6, 9, NOW - 2 * HOUR)])
    assert not first.exhausted and second.exhausted
    assert keys(second.objects) == keys([raw(10, 12, NOW - 2 * HOUR), raw(13, 14)])


def test_objects_of_former_runs_that_overlap_are_looked_at_again_as_they_lie_there_now() -> None:
    lake = Lake()
    lake.land(raw(1, 5, NOW - 2 * HOUR), raw(6, 9), raw(20, 30), raw(1, 50, shard="shardId-000000000001"))
    lake.run()
    lake.land(raw(1, 5, NOW - 2 * HOUR, etag="put again"), raw(3, 7))
    planned = lake.run()
    assert planned
    assert planned.earlier == (raw(1, 5, NOW - 2 * HOUR, etag="put again"), raw(6, 9))


def test_what_is_pending_itself_is_never_an_earlier_object() -> None:
    """In an hour that this plan does not list: its rows would count as processed, and were not."""
    lake = Lake()
    old = NOW - 4 * DAY
    lake.land(raw(1, 5, old))
    lake.run()
    lake.land(raw(4, 8, old), raw(3, 9))
    planned = lake.run(NOW + HOUR)
    assert planned
    assert (keys(planned.objects), keys(planned.earlier)) == (keys([raw(3, 9)]), keys([raw(1, 5, old)]))
    later = lake.run(NOW + DAY)
    assert later
    assert (keys(later.objects), keys(later.earlier)) == (keys([raw(4, 8, old)]), keys([raw(1, 5, old), raw(3, 9)]))


def test_most_plans_list_two_days_and_read_the_manifests_of_hours_that_changed() -> None:
    lake = Lake()
    for hours in range(7 * 24):
        lake.land(raw(1000 - hours, 1000 - hours, NOW - hours * HOUR))
        lake.run(NOW)
    lake.land(raw(1001, 1001))
    lake.run(NOW + HOUR / 4)
    assert len(lake.listed) == 48 + 1, "an hour in part, too"
    assert len(lake.read) == 1
    lake.run(NOW + DAY + HOUR)
    assert len(lake.listed) == 7 * 24, "the full reach once a day"
    assert lake.read == []


def test_a_late_object_of_an_old_hour_is_found_within_a_day() -> None:
    lake = Lake()
    lake.land(raw(1, 1, NOW - 6 * DAY), raw(5, 5))
    lake.run()
    lake.land(raw(2, 2, NOW - 6 * DAY))
    assert lake.run(NOW + HOUR) is None
    found = lake.run(NOW + DAY)
    assert found
    assert keys(found.objects) == keys([raw(2, 2, NOW - 6 * DAY)])


def test_an_hour_that_nobody_could_have_listed_before_is_found_at_once() -> None:
    lake = Lake()
    lake.land(raw(5, 5))
    lake.run()
    lake.land(raw(2, 2, NOW - 6 * DAY))
    assert lake.run(NOW + HOUR)


def test_old_dates_are_not_listed_once_nothing_can_land_there() -> None:
    lake = Lake()
    lake.land(raw(1, 1, NOW - 300 * DAY), raw(2, 2, NOW - 8 * DAY - HOUR), raw(3, 3, NOW - 9 * DAY))
    lake.run()
    assert lake.summary.since == (NOW - 8 * DAY).date()
    lake.run(NOW + DAY)
    assert lake.listed == []
    assert lake.summary.since == (NOW - 7 * DAY).date()


def test_a_complete_hour_stays_known_as_long_as_its_date_is_listed() -> None:
    lake = Lake()
    lake.land(raw(1, 1, NOW - 6 * HOUR), raw(2, 2, NOW + 9 * HOUR))
    lake.run(NOW + 187 * HOUR)
    lake.run(NOW + 203 * HOUR)  # the later hour is complete by now, and was not looked at yet
    assert lake.run(NOW + 228 * HOUR) is None


def test_after_a_month_without_runs_nothing_is_taken_for_complete() -> None:
    lake = Lake()
    lake.land(raw(1, 1))
    lake.run()
    lake.land(raw(2, 2, NOW + DAY), raw(3, 3, NOW + 20 * DAY))
    assert lake.run(NOW + 31 * DAY, limit=1)
    assert lake.taken == sorted([raw(1, 1).key, raw(2, 2, NOW + DAY).key])
    assert lake.summary.since == (NOW + 20 * DAY).date(), "the first of the two is taken and complete"
    assert lake.run(NOW + 31 * DAY)
    assert lake.taken == sorted(lake.objects)


def test_what_a_withdrawn_manifest_had_taken_is_pending_again_however_old() -> None:
    lake = Lake()
    lake.land(raw(1, 1, NOW - 30 * DAY), raw(2, 2))
    planned = lake.run(is_open=True)
    assert planned
    del lake.manifests[planned.run_id]
    again = lake.run(NOW + HOUR)
    assert again
    assert again.objects == planned.objects


def test_a_taken_object_that_is_gone_makes_no_other_one_pending() -> None:
    lake = Lake()
    lake.land(raw(1, 1), raw(2, 2))
    lake.run()
    del lake.objects[raw(1, 1).key]
    assert lake.run() is None
    lake.land(raw(3, 3))
    planned = lake.run()
    assert planned
    assert keys(planned.objects) == keys([raw(3, 3)])


def test_runs_of_closed_months_are_not_asked_for_any_more() -> None:
    lake = Lake()
    lake.land(raw(1, 1))
    lake.run(is_open=True)
    assert (lake.summary.month, len(lake.summary.runs)) == ("2026-11", 1)
    lake.run(datetime(2026, 12, 1, 12, tzinfo=UTC))
    assert lake.summary.month == "2026-11", "another job may have planned yesterday and put its manifest today"
    lake.run(datetime(2026, 12, 2, 12, tzinfo=UTC))
    assert (lake.summary.month, lake.summary.runs) == ("2026-12", set())


def test_a_month_with_an_open_run_stays() -> None:
    taken = Taken()
    taken.settle(RETENTION, NOW, ["2026-08-0123456789abcdef"])
    assert taken.month == "2026-08"
    taken.settle(RETENTION, NOW, ["0123456789abcdef"])
    assert taken.month == "", "a run of a former version, which lies in no month"


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 60),  # hours that pass
        st.lists(st.tuples(st.integers(0, 167), st.integers(0, 400), st.integers(0, 9)), max_size=4),  # what lands
        st.sampled_from(["run", "run", "no run", "summary not kept", "summary lost", "withdrawn"]),
    ),
    max_size=12,
)


@settings(deadline=None)
@given(EVENTS)
def test_whatever_is_killed_lost_or_late_each_object_is_taken_once(
    events: list[tuple[int, list[tuple[int, int, int]], str]],
) -> None:
    lake = Lake()
    now = NOW
    for hours, landed, what in events:
        now += hours * HOUR
        lake.land(*(raw(first, first + more, now - age * HOUR) for age, first, more in landed))
        if what == "no run":
            continue
        if what == "summary lost":
            lake.summary = Taken()
        before = [each for manifest in lake.manifests.values() for each in manifest.objects]
        planned = lake.run(now, keeps_summary=what != "summary not kept", is_open=what == "withdrawn", limit=3)
        if planned:
            assert not set(keys(planned.objects)) & set(keys(before))
            expected = overlapping(planned.objects, before)
            near = [each for each in expected if each.hour >= raw(0, 0, now - RETENTION).hour]
            assert set(keys(near)) <= set(keys(planned.earlier)) <= set(keys(expected))
            if what == "withdrawn":
                del lake.manifests[planned.run_id]
    now += DAY + HOUR
    while lake.run(now, limit=3):
        pass
    assert lake.taken == sorted(lake.objects)
