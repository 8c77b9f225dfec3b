"""The emulator of AWS, moto: in this process, and as a server that other processes reach; both share their state.

That state is plain dictionaries, in which two threads' calls could see each other's half-made changes: every call goes
through one lock, however it comes.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from moto import backends, mock_aws
from moto.awslambda.models import LambdaBackend
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.exceptions import JsonRESTError
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.moto_server import werkzeug_app
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.s3 import urls as s3_urls
from moto.s3.models import FakeBucket, S3Backend
from moto.server import ThreadedMotoServer
from werkzeug.exceptions import Forbidden

from infrastructure.local import glue_gaps, update_gaps

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_lock = threading.RLock()  # some of its calls make others


@contextlib.contextmanager
def emulated_aws() -> Iterator[None]:
    """boto3 in this process reaches an emulated AWS. It starts empty, unless another such context is open already."""
    with (
        _one_call_at_a_time(BotocoreStubber, "process_request"),
        _one_mapping_a_pair(),
        glue_gaps.filled(),
        update_gaps.filled(),
        _unconditional_policies(),
        _looked_up_once(),
        mock_aws(),
    ):
        yield


@contextlib.contextmanager
def emulator_server() -> Iterator[str]:
    """The emulator as a server on a free port. Yields its URL."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with (
        patch.object(werkzeug_app, "DISABLE_GLOBAL_CORS", True),
        _one_call_at_a_time(DomainDispatcherApplication, "__call__"),
        _programs_only(),
        _one_mapping_a_pair(),
        glue_gaps.filled(),
        update_gaps.filled(),
        _unconditional_policies(),
        _looked_up_once(),
    ):
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        try:
            host, port = server.get_host_and_port()
            yield f"http://{host}:{port}"
        finally:
            server.stop()


def _programs_only() -> contextlib.AbstractContextManager[Any]:
    """Refuses requests of web pages: whatever page a browser of this machine shows could reach the port otherwise.

    Browsers tell the page's origin, and a name that was made to point to this machine instead of its address.
    """
    call: Callable[..., Any] = DomainDispatcherApplication.__call__

    def refusing(application: Any, environ: dict[str, Any], start_response: Any) -> Any:
        host = environ.get("HTTP_HOST", "").rpartition(":")[0]
        if "HTTP_ORIGIN" in environ or host not in _LOOPBACK:
            return Forbidden()(environ, start_response)
        return call(application, environ, start_response)

    return patch.object(DomainDispatcherApplication, "__call__", refusing)


def _unconditional_policies() -> contextlib.AbstractContextManager[Any]:
    """moto takes a statement with a condition for one without, and so would deny everything. Here such a statement says
    nothing."""

    def permission(bucket: FakeBucket, action: str, resource: str) -> Any:
        statements = json.loads(bucket.policy)["Statement"] if bucket.policy else []
        judged = [each for each in statements if "Condition" not in each]
        if not judged:
            return PermissionResult.NEUTRAL
        return IAMPolicy({"Version": "2012-10-17", "Statement": judged}).is_action_permitted(action, resource)

    return patch.object(FakeBucket, "get_permission", permission)


@contextlib.contextmanager
def _looked_up_once() -> Iterator[None]:
    """For each request moto imports the module of S3's URLs anew, or lists the folders of its services. Neither changes
    here; together they take an eighth of a request's time."""
    services = frozenset(backends.list_of_moto_modules())
    with (
        patch.object(S3Backend, "_url_module", s3_urls),
        patch.object(backends, "list_of_moto_modules", lambda: services),
    ):
        yield


class _MappingExistsError(JsonRESTError):
    code = 409


def _one_mapping_a_pair() -> contextlib.AbstractContextManager[Any]:
    """Lambda takes one event source mapping of a stream to a function; moto would take any number."""
    create: Callable[..., Any] = LambdaBackend.create_event_source_mapping

    @functools.wraps(create)
    def refusing(backend: LambdaBackend, spec: dict[str, Any]) -> Any:
        source, function = spec["EventSourceArn"], spec["FunctionName"]
        for held in backend.list_event_source_mappings(source, ""):
            if _function(held.function_name) == _function(function):
                raise _MappingExistsError(
                    "ResourceConflictException",
                    f'An event source mapping with event source arn (" {source} ") and function (" {function} ") '
                    f"already exists. Please update or delete the existing mapping with UUID {held.uuid}",
                )
        return create(backend, spec)

    return patch.object(LambdaBackend, "create_event_source_mapping", refusing)


def _function(name_or_arn: str) -> str:
    """The function's name, with the version or alias if one is named."""
    return name_or_arn.rpartition(":function:")[2]


def _one_call_at_a_time(owner: type, method: str) -> contextlib.AbstractContextManager[Any]:
    call: Callable[..., Any] = getattr(owner, method)

    @functools.wraps(call)
    def serialised(*arguments: Any) -> Any:
        with _lock:
            return call(*arguments)

    return patch.object(owner, method, serialised)
