"""The state that a transaction's records make, and the order of places. Pure."""

from __future__ import annotations

from typing import Any

import pytest

from data_storage.trace import Tracer
from data_storage.transaction_trail import CURATED, DUPLICATE, QUARANTINED, WAITING, Place, TracedRecord, state_of
from infrastructure.errors import PlatformError
from infrastructure.settings import Settings

PLACE = Place("20260302T090000Z", "shardId-000000000000", "17", 0)


@pytest.mark.parametrize(
    ("endings", "state"),
    [
        ([("PENDING", CURATED), ("BOOKED", CURATED)], "BOOKED"),
        ([("REJECTED", CURATED), ("PENDING", CURATED)], "REJECTED"),
        ([("PENDING", CURATED), ("", QUARANTINED)], "PENDING"),
        ([("BOOKED", DUPLICATE), ("", QUARANTINED)], "QUARANTINED"),
        ([("BOOKED", WAITING)], "WAITING"),
        ([], "ABSENT"),
    ],
)
def test_a_final_state_that_is_curated_is_the_transactions(endings, state):
    records = [TracedRecord(status, ending, "1.00", "EUR", "", PLACE) for status, ending in endings]
    assert state_of(records) == state


def test_places_sort_as_numbers_and_replays_behind_streams():
    later = Place(PLACE.incarnation, PLACE.shard, "100", 0)
    replayed = Place("replay-0123456789abcdef", PLACE.shard, "1", 0)
    assert sorted([replayed, later, PLACE], key=lambda place: place.order) == [PLACE, later, replayed]
    assert str(Place("i", "s", "5", 2)) == "i s sequence 5, record 2 of its aggregate"


def test_what_can_be_no_sql_is_refused_before_anything_is_asked():
    nobody: Any = None
    with pytest.raises(PlatformError, match="has characters that no SQL here takes"):
        Tracer(nobody, Settings(), nobody, nobody, nobody).trace("x'; DROP TABLE y")
