"""The life of the tokenisation keys: the first, the next one beside it (an overlap), the end of the former. Pure.

The secret is the JSON that data_governance/tokenization.py reads, with the time at which each key was made:

    {"current": 2, "keys": {"1": base64, "2": base64}, "made": {"1": "2025-11-26T07:00:00Z", "2": ...}}

While it holds two keys, each card gets both tokens, and the job links them. A card that is not seen in that time has
unlinked tokens for ever: a token cannot be turned back into its card, by design.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from data_governance.tokenization import KEY_BYTES, TokenKeys
from infrastructure.errors import PlatformError

_TIME = "%Y-%m-%dT%H:%M:%SZ"
# What the secret's tags tell of it, so that its age is known without reading it.
_CURRENT, _FORMER, _MADE = "TokenKeyVersion", "TokenKeyFormerVersion", "TokenKeyMadeAt"
KEPT_TAGS = frozenset({_CURRENT, _FORMER, _MADE})
_NO_VERSION = "none"
_WHERE = "tokenisation key"


@dataclass(frozen=True, slots=True)
class KeyAge:
    """What may be known of the keys: current and former version (None outside of an overlap), when current was made."""

    current: int
    former: int | None
    made_at: datetime

    def days(self, now: datetime) -> int:
        """Whole days since the current key was made, which is when an overlap began."""
        return (now - self.made_at).days


def first_secret(now: datetime) -> str:
    """A secret with one new key."""
    return json.dumps({"current": 1, "keys": {"1": _new_key()}, "made": {"1": now.strftime(_TIME)}})


def rotated(secret: str, now: datetime) -> str:
    """The secret with a new key as its current one; the key that was current becomes the former one.

    Raises PlatformError if an overlap is going on: a third token of a card would be linked with none of the first.
    """
    keys, document = _read(secret)
    if others := [version for version in keys.versions if version != keys.current]:
        raise PlatformError(
            _WHERE,
            f"version {others[0]} is still live beside version {keys.current}",
            f"End it first: rotate-token-key --retire {others[0]}",
        )
    version = keys.current + 1
    document["current"] = version
    document["keys"][str(version)] = _new_key()
    document.setdefault("made", {})[str(version)] = now.strftime(_TIME)
    return json.dumps(document)


def retired(secret: str, version: int) -> str:
    """The secret without a former version's key. Fingerprints stay as they are."""
    keys, document = _read(secret)
    if version == keys.current:
        raise PlatformError(_WHERE, f"version {version} is the current one", "Rotate first; then it can be retired")
    if version not in keys.versions:
        raise PlatformError(_WHERE, f"has no version {version}", f"Live are {', '.join(map(str, keys.versions))}")
    document["fingerprint_key"] = base64.b64encode(keys.fingerprint_key).decode("ascii")
    del document["keys"][str(version)]
    document.get("made", {}).pop(str(version), None)
    return json.dumps(document)


def key_age(secret: str, otherwise: datetime) -> KeyAge:
    """The age of a secret's keys. otherwise: when it was made, for a secret from before keys carried their time."""
    keys, document = _read(secret)
    made = document.get("made", {}).get(str(keys.current))
    made_at = datetime.strptime(made, _TIME).replace(tzinfo=UTC) if made else otherwise
    return KeyAge(keys.current, keys.former, made_at)


def told_in_tags(secret: str, otherwise: datetime) -> dict[str, str]:
    """KEPT_TAGS of a secret. otherwise: as of key_age."""
    age = key_age(secret, otherwise)
    former = _NO_VERSION if age.former is None else str(age.former)
    return {_CURRENT: str(age.current), _FORMER: former, _MADE: age.made_at.strftime(_TIME)}


def age_from_tags(tags: Mapping[str, str], created_at: datetime) -> KeyAge:
    """The age by a secret's tags; created_at: the secret's, for one that was made before it had them."""
    if not tags.keys() >= KEPT_TAGS:
        return KeyAge(1, None, created_at)
    former = None if tags[_FORMER] == _NO_VERSION else int(tags[_FORMER])
    return KeyAge(int(tags[_CURRENT]), former, datetime.strptime(tags[_MADE], _TIME).replace(tzinfo=UTC))


def _read(secret: str) -> tuple[TokenKeys, dict[str, Any]]:
    return TokenKeys.from_secret(secret), json.loads(secret)


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")
