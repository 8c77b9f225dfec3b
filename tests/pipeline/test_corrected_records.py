"""A corrected record keeps both tokens that its card had in a rotation, in their exact form only."""

from __future__ import annotations

import json
from typing import Any

import pytest

from data_governance.tokenization import TokenKeys
from data_ingestion.corrected_records import parse
from infrastructure.errors import PlatformError
from tests.pipeline.etl_rows import row

KEYS = TokenKeys(2, {1: bytes(range(32)), 2: bytes(range(32, 64))})
CARD = KEYS.card_fields(["4111111111111111"])[0]


def corrected(**fields: Any) -> dict[str, Any]:
    (found,) = parse("corrected.ndjson", [json.dumps(row(1, **(CARD | fields))).encode()])
    return found.record


def test_both_tokens_of_an_overlap_land_as_they_were() -> None:
    assert CARD.items() <= corrected().items()
    assert set(CARD) == {"card_token", "former_card_token", "card_last4"}


@pytest.mark.parametrize("name", ["card_token", "former_card_token"])
@pytest.mark.parametrize("token", ["4111111111111111", "1_short", "0_" + "a" * 43, "1_" + "4111111111111111" * 2])
def test_what_is_no_token_is_refused_in_either_field(name: str, token: str) -> None:
    with pytest.raises(PlatformError, match=f"bad {name}") as caught:
        corrected(**{name: token})
    assert token not in str(caught.value)
