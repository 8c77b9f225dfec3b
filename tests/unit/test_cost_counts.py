"""Counts of the estimate, held to a simulation of the stream and the scheduler, event by event."""

from __future__ import annotations

import random

import pytest

from data_catalog.lake_tables import LAKE_TABLES
from data_ingestion.transaction_input import Line
from data_ingestion.transaction_producer import produce
from infrastructure.settings import Settings
from monitoring.cost_counts import HOURS_A_MONTH, SECONDS_AN_HOUR, Workload, billed_bytes, counts, largest_batch, shards

_HOUR = float(SECONDS_AN_HOUR)


def simulated_batches(settings: Settings, rate: float, lanes: int, record_bytes: int, chance: random.Random) -> int:
    """Batches of all lanes in an hour. Records arrive by chance; a batch waits for its window from its first on."""
    most, window = largest_batch(settings, record_bytes), settings.batch_window_seconds
    made = 0
    for _ in range(lanes):
        now = began = 0.0
        held = 0
        while True:
            now += chance.expovariate(rate / lanes)
            if held and now - began >= window:
                made, held = made + 1, 0
            if now > _HOUR:
                break
            began = now if not held else began
            held += 1
            if held == most:
                made, held = made + 1, 0
        made += held > 0
    return made


def simulated_starts(every_minutes: int) -> int:
    """Runs that a trigger starts in a month."""
    minutes = int(HOURS_A_MONTH * 60)
    return sum(1 for minute in range(minutes) if minute % every_minutes == 0)


@pytest.mark.parametrize(
    ("rate", "window", "size", "record_bytes"),
    [(10, 5, 5000, 500), (100, 1, 1000, 500), (100, 5, 5000, 500), (400, 10, 200, 500), (300, 30, 5000, 20_000)],
    ids=["sparse", "a second", "defaults", "full by number", "full by bytes"],
)
def test_batches_are_those_of_a_simulated_stream(rate, window, size, record_bytes):
    settings = Settings(batch_window_seconds=window, batch_size=size)
    workload = Workload([rate], record_bytes, rate)
    made = counts(settings, workload)
    simulated = simulated_batches(settings, rate, made.lanes, record_bytes, random.Random(20261126))
    assert made.batches / HOURS_A_MONTH == pytest.approx(simulated, rel=0.03)
    assert made.raw_objects == made.batches


def test_each_hour_counts_by_its_own_rate():
    settings = Settings(batch_size=100, batch_window_seconds=5)
    chance = random.Random(7)
    uneven = Workload([2.0, 400.0], 500, 400.0)
    made = counts(settings, uneven)
    hours = [simulated_batches(settings, rate, made.lanes, 500, chance) for rate in uneven.hours]
    assert made.batches / HOURS_A_MONTH * 2 == pytest.approx(sum(hours), rel=0.03)


@pytest.mark.parametrize("every", [15, 30, 60])
def test_runs_and_commits_are_those_of_a_simulated_scheduler(every):
    made = counts(Settings(glue_every_minutes=every), Workload([100], 500, 100))
    assert made.runs == simulated_starts(every)
    assert made.commits == made.runs * len(LAKE_TABLES)


def test_without_a_trigger_nothing_runs_by_itself():
    made = counts(Settings(glue_every_minutes=0), Workload([100], 500, 100))
    assert (made.runs, made.job_seconds, made.load_seconds) == (0, 0, 0)


@pytest.mark.parametrize(("peak", "record_bytes", "expected"), [(100, 500, 4), (5000, 500, 10), (5000, 4096, 40)])
def test_a_stream_on_demand_has_room_for_twice_the_peak_by_records_and_by_bytes(peak, record_bytes, expected):
    assert shards(Settings(), Workload([peak], record_bytes, peak)) == expected


@pytest.mark.parametrize("rate", [500, 5000, 20_000])
def test_bytes_of_packed_records_are_those_of_the_producer(rate):
    """A second of traffic is packed together."""
    taken: list[bytes] = []

    class Stream:
        def put_records(self, *, StreamName, Records):
            taken.extend(entry["Data"] for entry in Records)
            return {"Records": [{"SequenceNumber": "1"}] * len(Records)}

    datas = [f'{{"account_id":"account-{number:09d}"}}'.ljust(500).encode() for number in range(rate)]
    produce([Line(number, data) for number, data in enumerate(datas, 1)], Stream(), "s", packing=True, now=lambda: 0.0)
    billed = sum(-(-len(data) // 1024) * 1024 for data in taken) / rate
    assert billed == pytest.approx(billed_bytes(Workload([rate], 500, rate, packed=True)), rel=0.1)
