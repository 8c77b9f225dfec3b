"""What the Lambda functions share: how they read their environment, and where their log lines go."""

from __future__ import annotations

import logging
import os
from functools import cache

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics

from infrastructure.errors import PlatformError


def required(name: str) -> str:
    """A variable of the function's environment. Raises PlatformError if it is not set."""
    value = os.environ.get(name)
    if not value:
        raise PlatformError("function environment", f"{name} is not set", "Deploy the function with its environment")
    return value


def metrics_namespace() -> str:
    """The CloudWatch namespace of the platform's own metrics."""
    variables = ("METRICS_NAMESPACE", "POWERTOOLS_METRICS_NAMESPACE")
    return next((os.environ[name] for name in variables if os.environ.get(name)), "BankingDataPlatform")


@cache
def logger(service: str) -> Logger:
    """The logger of JSON lines. service: the function's name, unless its environment has another."""
    return Logger(service=_service(service), logger_handler=_StandardOutput())


@cache
def metrics(service: str) -> Metrics:
    """What the function counts; service as for logger()."""
    return Metrics(namespace=metrics_namespace(), service=_service(service))


def forget() -> None:
    """Drop logger and metrics, so that the next call reads the environment again (tests, local runs)."""
    logger.cache_clear()
    metrics.cache_clear()


def _service(default: str) -> str:
    return os.environ.get("POWERTOOLS_SERVICE_NAME") or default


class _StandardOutput(logging.Handler):
    """Prints to the current standard output; a StreamHandler would keep the one from when the logger was made."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), flush=True)
