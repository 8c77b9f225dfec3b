"""One POST to a webhook: no redirect is followed, nothing of the answer but its status is read."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

CONNECT_SECONDS = 5
READ_SECONDS = 10  # between two pieces of the answer's head; the function's own timeout bounds all of it


def post(url: str, headers: Mapping[str, str], body: bytes) -> int:
    """The status of the answer. url: https, or http on this machine. Raises OSError and HTTPException."""
    parts = urlsplit(url)
    assert parts.hostname
    connection = (
        http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=CONNECT_SECONDS, context=ssl.create_default_context()
        )
        if parts.scheme == "https"
        else http.client.HTTPConnection(parts.hostname, parts.port, timeout=CONNECT_SECONDS)
    )
    try:
        connection.connect()
        connection.sock.settimeout(READ_SECONDS)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, dict(headers))
        return connection.getresponse().status
    finally:
        connection.close()
