"""The least distance of two countries is never more than the true one, and 0 for neighbours."""

from __future__ import annotations

import pytest

from data_catalog.country_distances import BOXES, least_distance
from data_catalog.transaction_contract import COUNTRIES


@pytest.mark.parametrize("pair", ["DE FR", "DE CZ", "US CA", "US MX", "ES PT", "SG MY", "RU FI", "FR GB", "AE OM"])
def test_neighbours_lie_no_kilometre_apart(pair: str) -> None:
    assert least_distance(*pair.split()) == 0


# most: about the distance of the nearest places, in kilometres.
@pytest.mark.parametrize(
    ("pair", "least", "most"),
    [("DE JP", 6_000, 8_300), ("GB US", 3_000, 4_700), ("CZ GB", 500, 650), ("AU NZ", 300, 1_500),
     ("BH DE", 3_000, 3_900), ("JP US", 1_000, 2_600), ("RU US", 0, 4), ("FR RE", 7_000, 9_000)],
)  # fmt: skip
def test_a_distance_is_told_short_of_the_true_one(pair: str, least: int, most: int) -> None:
    assert least <= least_distance(*pair.split()) <= most


def test_a_distance_is_the_same_in_both_directions_and_around_the_date_line() -> None:
    assert least_distance("FJ", "NZ") == least_distance("NZ", "FJ") < 2_200
    assert least_distance("KI", "FJ") < 2_200


def test_a_country_whose_place_is_not_known_is_near_to_all() -> None:
    assert COUNTRIES - BOXES.keys() == {"BV", "GI", "TV", "UM"}
    assert least_distance("GI", "JP") == 0


def test_every_box_is_one() -> None:
    assert BOXES.keys() <= COUNTRIES
    for boxes in BOXES.values():
        for box in boxes:
            assert -90 <= box.south < box.north <= 90
            assert -180 <= box.west < box.east <= 180.1
