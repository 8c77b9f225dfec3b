"""Signatures of what a webhook is told, in the form of Standard Webhooks 1.0.0 (standardwebhooks.com). Pure.

A secret is `whsec_` and the base64 form of 24 to 64 random bytes. A signature is `v1,` and the base64 form of the
HMAC-SHA256 of id, timestamp and body, joined by full stops. While a secret is being replaced there are two, separated
by a space, and a signature by each: a receiver takes the message if one of them is right.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Iterator

from infrastructure.errors import PlatformError

_PREFIX = "whsec_"
_NEW_BYTES, _LEAST_BYTES, _MOST_BYTES = 32, 24, 64


def new_secret() -> str:
    """A secret from the operating system's randomness."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_NEW_BYTES)).decode()


def signed_headers(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers by which a receiver verifies a message.

    secret: one, or several separated by spaces; timestamp: of this attempt, in seconds since 1970. Raises
    PlatformError if a secret has another form.
    """
    content = f"{message_id}.{timestamp}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(key, content, "sha256")).decode() for key in _keys(secret)]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _keys(secret: str) -> Iterator[bytes]:
    for text in secret.split() or [""]:
        try:
            key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            key = b""
        if not text.startswith(_PREFIX) or not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
            # The value is not repeated, and neither is the fault of its base64 form.
            raise PlatformError(
                "webhook secret",
                "is not whsec_ and the base64 form of 24 to 64 bytes",
                "Put such a value; while you replace it, the new and the former one, separated by a space",
            )
        yield key
