"""The one place that makes boto3 clients."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Literal, overload
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from infrastructure.errors import PlatformError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


# Standard mode retries throttling and 5xx with jitter; callers add retries of their own on top.
_CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 5},
    connect_timeout=5,
    read_timeout=65,
    max_pool_connections=32,
    user_agent_extra="real-time-banking-data-platform",
)


@cache
def session(region: str | None = None, profile: str | None = None) -> Any:
    """A boto3 session; region and profile fall back to boto3's own chain (environment, config file, role)."""
    return boto3.Session(region_name=region, profile_name=profile)


@overload
def client(service: Literal["s3"], region: str | None = None, profile: str | None = None) -> S3Client: ...


@overload
def client(service: str, region: str | None = None, profile: str | None = None) -> Any: ...


def client(service: str, region: str | None = None, profile: str | None = None) -> Any:
    """The client of a service, e.g. client("kinesis"). boto3's AWS_ENDPOINT_URL is honoured.

    Made once and kept, because making an S3 client costs 0.35 s of CPU.
    """
    return _kept_client(service, region, profile)


@cache
def _kept_client(service: str, region: str | None, profile: str | None) -> Any:
    return session(region, profile).client(service, config=_CONFIG)


def forget() -> None:
    """Drop the clients kept so far; the embedded stack and the tests each start with new ones."""
    _kept_client.cache_clear()
    session.cache_clear()


# Emulators answer unimplemented operations with HTTP 500; five attempts with growing pauses would be wasted on that.
_EMULATOR_CONFIG = Config(retries={"mode": "standard", "max_attempts": 1}, max_pool_connections=32)


class AwsClients:
    """Calling it with a service's name gives that service's client, e.g. clients("kinesis").

    region, profile: None falls back to boto3's own chain. emulated: the endpoint is not AWS's own. Unless it is given,
    only loopback is taken for an emulator: any other host may be a bank's own way to AWS, where the function would get
    a placeholder for its code and errors would pass for gaps of the emulator. (moto in process looks like AWS, so its
    caller passes emulated=True.) Raises PlatformError if only some services are on loopback. on_new_client: called with
    each client once, before its first call.
    """

    def __init__(self, region: str | None = None, profile: str | None = None, emulated: bool | None = None) -> None:
        self._region = region
        self._profile = profile
        self._lock = threading.Lock()  # making clients from one boto3 session is not thread-safe
        self._clients: dict[str, Any] = {}
        self.on_new_client: Callable[[Any], None] = lambda client: None
        self.emulated = self._is_on_loopback() if emulated is None else emulated

    @overload
    def __call__(self, service: Literal["s3"]) -> S3Client: ...

    @overload
    def __call__(self, service: str) -> Any: ...

    def __call__(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                client = self._make(service)
                # botocore makes a client's exception classes at first use. Two threads at once would get two sets, and
                # an error of one set is not caught by the other's classes.
                _ = client.exceptions
                self.on_new_client(client)
                self._clients[service] = client
            return self._clients[service]

    def _make(self, service: str) -> Any:
        if self.emulated:
            return session(self._region, self._profile).client(service, config=_EMULATOR_CONFIG)
        return client(service, self._region, self._profile)

    def _is_on_loopback(self) -> bool:
        # Who we are, and where the function's code goes.
        sts, lambda_ = (client(service, self._region, self._profile).meta.endpoint_url for service in ("sts", "lambda"))
        if is_loopback(sts) != is_loopback(lambda_):
            raise PlatformError(
                "AWS",
                f"STS is at {sts} and Lambda at {lambda_}: one is an emulator, the other is not",
                "Give all services one endpoint with AWS_ENDPOINT_URL, or none.",
            )
        return is_loopback(sts)


def is_loopback(url: str) -> bool:
    """Whether an endpoint is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
