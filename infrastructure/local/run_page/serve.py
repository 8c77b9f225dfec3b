"""Shows a run in the browser while it goes on: an HTTP server on the loopback address alone.

The address holds a secret, because every user of the machine can reach its loopback address. A request must name that
address as its host, so that no site can have a browser read the page under a name of its own.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from infrastructure.errors import PlatformError
from infrastructure.local.run_page.document import Document
from infrastructure.local.run_page.html import as_json, page

LOOPBACK = "127.0.0.1"


@contextlib.contextmanager
def served(document: Callable[[], Document], port: int = 0) -> Iterator[str]:
    """Serve what document() gives at the time of each request; the address. port: 0 for any that is free.

    Raises PlatformError if the port is taken.
    """
    secret = secrets.token_urlsafe(16)
    try:
        server = ThreadingHTTPServer((LOOPBACK, port), _handler(document, secret))
    except (OSError, OverflowError) as error:
        raise PlatformError(
            f"{LOOPBACK}:{port}", f"cannot be served ({error})", "Name another --port, or leave it out"
        ) from None
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}/{secret}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(document: Callable[[], Document], secret: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hosts = {f"{name}:{self.server.server_port}" for name in (LOOPBACK, "localhost")}  # type: ignore[attr-defined]
            if self.headers.get("Host") not in hosts:
                self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            elif self.path == f"/{secret}/":
                self._answer("text/html", page(document(), live=True))
            elif self.path == f"/{secret}/document.json":
                self._answer("application/json", as_json(document()))
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

        def _answer(self, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # the browser has gone on
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass  # the terminal shows the run

    return Handler
