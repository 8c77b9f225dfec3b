"""Card tokens: a keyed HMAC of the whole PAN, with key versions so that keys can be rotated.

PCI DSS 3.5.1.1 asks for a keyed cryptographic hash of the entire PAN with key management. The keys lie in one Secrets
Manager secret: ``{"current": 2, "keys": {"1": base64 of 32 bytes, "2": ...}}``. A token begins with the version of its
key, so tokens of several versions can coexist. While the secret holds a key beside the current one, the two overlap:
each card gets both tokens, which links them (data_governance/token_key_rotation.py begins and ends it).

Tokens are not cached by PAN: a cache would keep card numbers in the memory of a function that lives for hours.

Standard library only, because it goes into the Lambda zip.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence

from infrastructure.errors import PlatformError

KEY_BYTES = 32
# 32 random bytes have fewer distinct ones once in 3 * 10^16 keys.
_FEWEST_DISTINCT_BYTES = 16
_FINGERPRINT_DOMAIN = b"banking-data-platform quarantine fingerprint v1"


class TokenKeys:
    """The tokenisation keys by version. Its repr shows versions, never a key."""

    __slots__ = ("_fingerprint", "_fingerprint_key", "_hmacs", "current", "former")

    def __init__(self, current: int, keys: Mapping[int, bytes], fingerprint_key: bytes = b"") -> None:
        """current: the version that new tokens carry; keys: version -> 32 bytes or more.

        fingerprint_key: the one that was derived from a first version that is retired.
        """
        if current not in keys or any(version < 1 or len(key) < KEY_BYTES for version, key in keys.items()):
            raise _bad_secret()
        self.current = current
        # Begun once for each key: a copy of a begun HMAC costs less than one from the key.
        self._hmacs = {version: hmac.new(key, digestmod="sha256") for version, key in sorted(keys.items())}
        # The version whose tokens are still made beside the current one's; None outside of an overlap.
        self.former = max((version for version in keys if version < current), default=None)
        # From the first version's key, so that rotation does not change fingerprints; derived, so that a fingerprint
        # says nothing about a token.
        self._fingerprint_key = fingerprint_key or hmac.digest(keys[min(keys)], _FINGERPRINT_DOMAIN, "sha256")
        self._fingerprint = hashlib.blake2b(key=self._fingerprint_key, digest_size=32)

    @classmethod
    def from_secret(cls, secret: str) -> TokenKeys:
        """The keys in the secret's JSON.

        Raises PlatformError, which quotes nothing of it, if it has another form, a key is no random one (all zeros, a
        repeated word), or two versions have the same.
        """
        try:
            document = json.loads(secret)
            current = document["current"]
            keys = {int(version): base64.b64decode(key, validate=True) for version, key in document["keys"].items()}
            fingerprint_key = base64.b64decode(document.get("fingerprint_key", ""), validate=True)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, binascii.Error):
            current, keys, fingerprint_key = 0, {}, b""
        are_weak = any(len(set(key)) < _FEWEST_DISTINCT_BYTES for key in keys.values())
        has_other_length = len(fingerprint_key) not in (0, KEY_BYTES)
        if type(current) is not int or are_weak or has_other_length or len(set(keys.values())) < len(keys):
            current, keys = 0, {}
        return cls(current, keys, fingerprint_key)

    @property
    def versions(self) -> tuple[int, ...]:
        """The live versions, ascending."""
        return tuple(self._hmacs)

    @property
    def fingerprint_key(self) -> bytes:
        """What the secret keeps of its first version when that is retired."""
        return self._fingerprint_key

    def card_fields(self, numbers: Sequence[str]) -> list[dict[str, str]]:
        """What stands for each PAN in a record: the contract's CARD_FIELDS, former_card_token in an overlap only."""
        columns = {"card_token": self.tokens(numbers)}
        if self.former is not None:
            columns["former_card_token"] = self.tokens(numbers, self.former)
        columns["card_last4"] = [digits[-4:] for digits in numbers]
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    def token(self, digits: str) -> str:
        """The token of a PAN under the current key: "{version}_" and 43 characters of unpadded base64url."""
        return self.tokens([digits])[0]

    def tokens(self, numbers: Sequence[str], version: int | None = None) -> list[str]:
        """The tokens of many PANs (their digits), under the current key or another live version's.

        A card has a different token under each version: to find it, look for its tokens of all `versions`.
        """
        version = version or self.current
        begun = self._hmacs[version]
        digests: list[bytes] = []
        for digits in numbers:
            state = begun.copy()
            state.update(digits.encode("ascii"))
            digests.append(state.digest())
        # A zero behind each digest makes it 33 bytes, whole groups of base64, so that one call encodes them all.
        encoded = base64.urlsafe_b64encode(b"".join([digest + b"\0" for digest in digests])).decode("ascii")
        return [f"{version}_{encoded[start : start + 43]}" for start in range(0, len(encoded), 44)]

    def fingerprint(self, content: bytes) -> str:
        """Keyed hash (hex, 64 characters) of content that may hold a card number; unchanged by rotation."""
        state = self._fingerprint.copy()
        state.update(content)
        return state.hexdigest()

    def __repr__(self) -> str:
        return f"TokenKeys(current={self.current}, versions={self.versions})"


def _bad_secret() -> PlatformError:
    return PlatformError(
        "tokenisation secret",
        "not of the form {current, keys: {version: base64 of 32 random bytes}} with the current version among its keys",
        "Put a valid secret value; the stream keeps its records meanwhile",
    )
