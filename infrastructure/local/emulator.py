"""The emulator of AWS, moto: in this process, and as a server that other processes reach; both share their state.

That state is plain dictionaries, in which two threads' calls could see each other's half-made changes: every call goes
through one lock, however it comes.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.server import ThreadedMotoServer

_lock = threading.RLock()  # some of its calls make others


@contextlib.contextmanager
def emulated_aws() -> Iterator[None]:
    """boto3 in this process reaches an emulated AWS. It starts empty, unless another such context is open already."""
    with _one_call_at_a_time(BotocoreStubber, "process_request"), mock_aws():
        yield


@contextlib.contextmanager
def emulator_server() -> Iterator[str]:
    """The emulator as a server on a free port. Yields its URL."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with _one_call_at_a_time(DomainDispatcherApplication, "__call__"):
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        try:
            host, port = server.get_host_and_port()
            yield f"http://{host}:{port}"
        finally:
            server.stop()


def _one_call_at_a_time(owner: type, method: str) -> contextlib.AbstractContextManager[Any]:
    call: Callable[..., Any] = getattr(owner, method)

    @functools.wraps(call)
    def serialised(*arguments: Any) -> Any:
        with _lock:
            return call(*arguments)

    return patch.object(owner, method, serialised)
