"""The fraud function on the laptop: a process of its own that does between queue and function what Lambda does.

    python -m infrastructure.local.fraud_function        # started by FraudFunction, which closes its input at the end

It receives messages, invokes the handler, deletes what is done; what fails comes again at once, until the queue's
redrive policy moves it away. A process of its own has its own environment and log, as in Lambda, and holds up nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infrastructure.errors import PlatformError

_IDLE_SECONDS = 0.1
_WRITES_AT_ONCE = 25  # BatchWriteItem's limit
_QUEUE = "FRAUD_QUEUE_URL"
_COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


class FraudFunction:
    """The running process. environment: the function's variables, and how to reach the emulator; log: its output."""

    def __init__(self, environment: Mapping[str, str], queue_url: str, log: Path) -> None:
        self._log = log
        with log.open("a") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                env={**os.environ, **environment, _QUEUE: queue_url},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def finish(self) -> None:
        """Wait until all messages are dealt with. Raises PlatformError if the process has failed."""
        assert self._process.stdin
        self._process.stdin.close()
        if self._process.wait():
            raise PlatformError("fraud function", "has failed", f"See the end of {self._log}")

    def kill(self) -> None:
        """End it at once; what it has not dealt with stays in the queue."""
        self._process.kill()
        self._process.wait()


@contextmanager
def fraud_function(environment: Mapping[str, str], queue_url: str, log: Path) -> Iterator[FraudFunction]:
    """The process, which does not outlive the context."""
    running = FraudFunction(environment, queue_url, log)
    try:
        yield running
    finally:
        running.kill()


def items_of(dynamodb: Any, table: str) -> list[dict[str, Any]]:
    """All items of a table, in the API's form."""
    pages = dynamodb.get_paginator("scan").paginate(TableName=table)
    return [item for page in pages for item in page["Items"]]


def put_items(dynamodb: Any, table: str, items: Sequence[dict[str, Any]]) -> None:
    """Put kept items into a table."""
    for start in range(0, len(items), _WRITES_AT_ONCE):
        puts = [{"PutRequest": {"Item": item}} for item in items[start : start + _WRITES_AT_ONCE]]
        dynamodb.batch_write_item(RequestItems={table: puts})


def main() -> None:
    """Take messages until the input ends and the queue is empty."""
    from data_processing import detect_fraud_lambda
    from infrastructure.aws.clients import client

    no_more = threading.Event()

    def wait_for_end() -> None:
        sys.stdin.read()
        no_more.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    sqs, url = client("sqs"), os.environ[_QUEUE]
    while True:
        is_last = no_more.is_set()
        # No long polling: the emulator answers one call at a time.
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1).get("Messages", [])
        for message in messages:
            _invoke(detect_fraud_lambda.handler, sqs, url, message)
        if not messages:
            if is_last and not _left(sqs, url):
                return
            time.sleep(_IDLE_SECONDS)


def _invoke(handler: Any, sqs: Any, url: str, message: dict[str, Any]) -> None:
    event = {"messageId": message["MessageId"], "body": message["Body"], "eventSource": "aws:sqs"}
    if handler({"Records": [event]}, None)["batchItemFailures"]:
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    else:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def _left(sqs: Any, url: str) -> int:
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(_COUNTS))["Attributes"]
    return sum(int(found[name]) for name in _COUNTS)


if __name__ == "__main__":
    main()
