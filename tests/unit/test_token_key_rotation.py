"""The life of the tokenisation keys: a new one beside the current, and the end of the former."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from data_governance.token_key_rotation import (
    KEPT_TAGS,
    KeyAge,
    age_from_tags,
    first_secret,
    key_age,
    retired,
    rotated,
    told_in_tags,
)
from data_governance.tokenization import TokenKeys
from infrastructure.errors import PlatformError

MADE, LATER = datetime(2025, 11, 26, 7, tzinfo=UTC), datetime(2026, 11, 26, 7, tzinfo=UTC)
PAN = "4111111111111111"
FIRST = first_secret(MADE)
OVERLAP = rotated(FIRST, LATER)
AFTER = retired(OVERLAP, 1)


def test_a_rotation_adds_a_random_key_and_makes_it_current() -> None:
    before, after = TokenKeys.from_secret(FIRST), TokenKeys.from_secret(OVERLAP)
    assert (before.current, before.former, after.current, after.former) == (1, None, 2, 1)
    assert after.tokens([PAN], 1) == [before.token(PAN)]
    assert json.loads(rotated(FIRST, LATER))["keys"]["2"] != json.loads(OVERLAP)["keys"]["2"]
    assert len(base64.b64decode(json.loads(OVERLAP)["keys"]["2"])) == 32


def test_a_card_has_both_tokens_in_an_overlap_and_one_outside_of_it() -> None:
    before, overlap, after = (TokenKeys.from_secret(each).card_fields([PAN])[0] for each in (FIRST, OVERLAP, AFTER))
    assert overlap["former_card_token"] == before["card_token"]
    assert overlap["card_token"] == after["card_token"] != before["card_token"]
    assert before.keys() == after.keys() == {"card_token", "card_last4"}


def test_retiring_a_version_leaves_nothing_of_its_key_and_changes_no_fingerprint() -> None:
    assert json.loads(FIRST)["keys"]["1"] not in AFTER
    assert TokenKeys.from_secret(AFTER).versions == (2,)
    prints = {TokenKeys.from_secret(each).fingerprint(b"{") for each in (FIRST, OVERLAP, AFTER)}
    assert len(prints) == 1
    thrice = retired(rotated(AFTER, LATER), 2)
    assert TokenKeys.from_secret(thrice).fingerprint(b"{") in prints


@pytest.mark.parametrize(
    ("version", "told"), [(2, "version 2 is the current one"), (3, "has no version 3.*Live are 1, 2")]
)
def test_only_a_former_version_is_retired(version: int, told: str) -> None:
    with pytest.raises(PlatformError, match=told):
        retired(OVERLAP, version)


def test_a_second_rotation_waits_for_the_end_of_the_overlap() -> None:
    with pytest.raises(PlatformError, match=r"version 1 is still live beside version 2.*--retire 1"):
        rotated(OVERLAP, LATER)
    assert TokenKeys.from_secret(rotated(AFTER, LATER)).former == 2


def test_no_error_quotes_the_secret() -> None:
    with pytest.raises(PlatformError) as caught:
        rotated('{"current": 1, "keys": {"1": "c2VjcmV0"}}', LATER)
    assert "c2VjcmV0" not in str(caught.value)


def test_the_age_is_that_of_the_current_key() -> None:
    assert key_age(FIRST, LATER) == KeyAge(1, None, MADE)
    assert key_age(OVERLAP, MADE) == KeyAge(2, 1, LATER)
    assert key_age(AFTER, MADE) == KeyAge(2, None, LATER), "retiring the former makes the current no younger"
    assert KeyAge(1, None, MADE).days(LATER + timedelta(hours=23)) == 365


def test_tags_tell_the_age_and_nothing_of_a_key() -> None:
    for secret in (FIRST, OVERLAP, AFTER):
        tags = told_in_tags(secret, MADE)
        assert tags.keys() == KEPT_TAGS
        assert age_from_tags(tags, MADE) == key_age(secret, MADE)
        assert not any(key in str(tags) for key in json.loads(secret)["keys"].values())


def test_a_secret_of_before_rotations_is_as_old_as_it_was_created() -> None:
    document = json.loads(FIRST)
    del document["made"]
    assert key_age(json.dumps(document), MADE) == age_from_tags({"Project": "x"}, MADE) == KeyAge(1, None, MADE)
    assert key_age(rotated(json.dumps(document), LATER), MADE).made_at == LATER


def test_a_key_that_waits_to_become_current_is_no_former_one() -> None:
    document = json.loads(OVERLAP) | {"current": 1}
    assert TokenKeys.from_secret(json.dumps(document)).former is None


@pytest.mark.parametrize("bad", ["c2hvcnQ=", "no base64!", 5])
def test_a_bad_key_of_fingerprints_is_refused(bad: object) -> None:
    with pytest.raises(PlatformError, match="tokenisation secret"):
        TokenKeys.from_secret(json.dumps(json.loads(AFTER) | {"fingerprint_key": bad}))
