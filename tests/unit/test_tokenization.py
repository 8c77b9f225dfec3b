"""Tokens are keyed, versioned and repeatable; an error about a bad secret quotes nothing of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_governance.tokenization import TokenKeys
from infrastructure.errors import PlatformError

KEY_1, KEY_2 = bytes(range(32)), bytes(range(32, 64))
PAN = "4111111111111111"


def secret(current: object, keys: dict[str, bytes]) -> str:
    encoded = {version: base64.b64encode(key).decode() for version, key in keys.items()}
    return json.dumps({"current": current, "keys": encoded})


@given(st.binary(min_size=32, max_size=200), st.from_regex(r"[0-9]{13,19}", fullmatch=True))
def test_a_token_is_hmac_sha256_of_the_whole_number_in_unpadded_base64url(key: bytes, digits: str) -> None:
    expected = base64.urlsafe_b64encode(hmac.digest(key, digits.encode(), "sha256")).rstrip(b"=").decode()
    assert TokenKeys(7, {7: key}).token(digits) == f"7_{expected}"


def test_many_tokens_are_those_of_one_at_a_time() -> None:
    keys = TokenKeys(1, {1: KEY_1})
    numbers = [f"{number:016d}" for number in range(500)]
    assert keys.tokens(numbers) == [keys.token(number) for number in numbers]
    assert keys.tokens([]) == []
    assert len(set(keys.tokens(numbers))) == 500


def test_two_versions_are_live_and_the_current_one_makes_new_tokens() -> None:
    before = TokenKeys.from_secret(secret(1, {"1": KEY_1}))
    after = TokenKeys.from_secret(secret(2, {"1": KEY_1, "2": KEY_2}))
    assert after.versions == (1, 2)
    assert after.token(PAN).startswith("2_")
    assert after.tokens([PAN], version=1) == [before.token(PAN)]
    assert before.token(PAN).split("_")[1] != after.token(PAN).split("_", 1)[1]


def test_the_fingerprint_keeps_to_the_first_version_and_is_no_token() -> None:
    before = TokenKeys(1, {1: KEY_1})
    after = TokenKeys(2, {1: KEY_1, 2: KEY_2})
    assert before.fingerprint(PAN.encode()) == after.fingerprint(PAN.encode())
    assert before.fingerprint(PAN.encode()) != TokenKeys(2, {2: KEY_2}).fingerprint(PAN.encode())
    token = base64.urlsafe_b64decode(before.token(PAN).split("_", 1)[1] + "=").hex()
    assert token != before.fingerprint(PAN.encode()) != hashlib.blake2b(PAN.encode(), digest_size=32).hexdigest()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not JSON",
        "[]",
        "null",
        "{}",
        secret(1, {}),
        secret(2, {"1": KEY_1}),
        secret("1", {"1": KEY_1}),
        secret(True, {"1": KEY_1}),
        secret(1, {"1": KEY_1[:31]}),
        secret(0, {"0": KEY_1}),
        secret(1, {"one": KEY_1}),
        secret(1, {"1": bytes(32)}),
        secret(1, {"1": b"\xff" * 64}),
        secret(1, {"1": b"change-me" * 4}),
        secret(1, {"1": KEY_1, "2": bytes(32)}),
        secret(2, {"1": KEY_1, "2": KEY_1}),
        json.dumps({"current": 1, "keys": {"1": "*" * 44}}),
        json.dumps({"current": 1, "keys": {"1": 5}}),
        json.dumps({"current": 1, "keys": [KEY_1.hex()]}),
        "[" * 100_000,
    ],
)
def test_a_secret_of_another_form_is_refused_without_a_word_of_it(text: str) -> None:
    with pytest.raises(PlatformError, match="tokenisation secret") as caught:
        TokenKeys.from_secret(text)
    assert caught.value.__context__ is None
    if len(text) > 6:
        assert text[5:] not in str(caught.value)


def test_a_repr_shows_versions_only() -> None:
    shown = repr(TokenKeys(2, {1: KEY_1, 2: KEY_2}))
    assert shown == "TokenKeys(current=2, versions=(1, 2))"


def test_random_keys_are_never_taken_for_weak_ones() -> None:
    random_ = random.Random(3)
    for _ in range(20_000):
        assert TokenKeys.from_secret(secret(1, {"1": random_.randbytes(32)})).versions == (1,)
