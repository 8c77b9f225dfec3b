"""The functions behind queues on the laptop: each a process that does between queue and function what Lambda does.

    python -m infrastructure.local.queue_function MODULE at-once|paused

QueueFunction starts it, and closes its input at the end. It receives messages, invokes the handler, deletes what is
done. What fails comes again at once, or after the pause that the handler has set, until the queue's redrive policy
moves it away. A process of its own has its own environment and log, as in Lambda, and holds up nothing.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infrastructure.errors import PlatformError

_IDLE_SECONDS = 0.1
_WRITES_AT_ONCE = 25  # BatchWriteItem's limit
_QUEUE = "LOCAL_QUEUE_URL"
_AT_ONCE, _PAUSED = "at-once", "paused"
_VISIBLE, _HIDDEN = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"


class QueueFunction:
    """The running process. module: the handler's; environment: the function's variables, and how to reach the emulator;
    log: its output; pauses: the handler sets them itself before it gives a message back."""

    def __init__(
        self, module: str, environment: Mapping[str, str], queue_url: str, log: Path, pauses: bool = False
    ) -> None:
        self._module = module
        self._log = log
        with log.open("a") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, module, _PAUSED if pauses else _AT_ONCE],
                env={**os.environ, **environment, _QUEUE: queue_url},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def finish(self) -> None:
        """Wait until no message is left but those in a pause. Raises PlatformError if the process has failed."""
        assert self._process.stdin
        self._process.stdin.close()
        if self._process.wait():
            raise PlatformError(self._module, "has failed", f"See the end of {self._log}")

    def kill(self) -> None:
        """End it at once; what it has not dealt with stays in the queue."""
        self._process.kill()
        self._process.wait()


@dataclass(frozen=True, slots=True)
class FraudStream:
    """The running functions, each after the one whose messages it gets."""

    running: tuple[QueueFunction, ...]

    def finish(self) -> None:
        """Wait until each has dealt with all messages."""
        for each in self.running:
            each.finish()


@contextmanager
def queue_function(
    module: str, environment: Mapping[str, str], queue_url: str, log: Path, pauses: bool = False
) -> Iterator[QueueFunction]:
    """The process, which does not outlive the context."""
    running = QueueFunction(module, environment, queue_url, log, pauses)
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
    """Take messages until the input ends and none is left to take."""
    from infrastructure.aws.clients import client

    module, mode = sys.argv[1:]
    handler = importlib.import_module(module).handler
    no_more = threading.Event()

    def wait_for_end() -> None:
        sys.stdin.read()
        no_more.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    sqs, url = client("sqs"), os.environ[_QUEUE]
    while True:
        is_last = no_more.is_set()
        # No long polling: the emulator answers one call at a time.
        messages = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=1, MessageSystemAttributeNames=["ApproximateReceiveCount"]
        ).get("Messages", [])
        for message in messages:
            _invoke(handler, sqs, url, message, mode == _AT_ONCE)
        if not messages:
            if is_last and not _left(sqs, url, (_HIDDEN, _VISIBLE) if mode == _AT_ONCE else (_VISIBLE,)):
                return
            time.sleep(_IDLE_SECONDS)


def _invoke(handler: Any, sqs: Any, url: str, message: dict[str, Any], again_at_once: bool) -> None:
    event = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "eventSource": "aws:sqs",
    }
    if not handler({"Records": [event]}, None)["batchItemFailures"]:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    elif again_at_once:  # in an account it comes again when its visibility timeout is over
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)


def _left(sqs: Any, url: str, counts: Sequence[str]) -> int:
    """A call for each count, hidden ones first: what comes into sight between is counted twice, not missed."""
    asked = (sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name] for name in counts)
    return sum(map(int, asked))


if __name__ == "__main__":
    main()
