"""Raw objects as the Lambda writes them, made by its own code from generated transactions."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from data_governance.tokenization import TokenKeys
from data_ingestion.transaction_batch import BatchResult, process_batch
from data_ingestion.transaction_generator import generate

_KEYS = TokenKeys(1, {1: b"k" * 32})
_FIRST_SEQUENCE = 49600000000000000000000000000000000000000000000000000000
_FIRST_ARRIVAL = 1772700000.0  # 2026-03-05T08:40:00Z, behind every generated event


def records(count: int, seed: int, shard: int = 0) -> list[dict[str, Any]]:
    """Kinesis records of one shard, as a Lambda event has them."""
    return [
        {
            "eventID": f"shardId-{shard:012}:{_FIRST_SEQUENCE + number}",
            "kinesis": {
                "data": base64.b64encode(data).decode(),
                "sequenceNumber": str(_FIRST_SEQUENCE + number),
                "approximateArrivalTimestamp": _FIRST_ARRIVAL + number / 100,
            },
        }
        for number, data in enumerate(generate(count, seed), 1)
    ]


def batches(
    event_records: list[dict[str, Any]], size: int, incarnation: str = "20261123T125500Z"
) -> Iterator[BatchResult]:
    """What the Lambda makes of them, so many records at a time."""
    for start in range(0, len(event_records), size):
        yield process_batch(event_records[start : start + size], incarnation, _KEYS)


def landed_lines(count: int, seed: int = 1) -> list[str]:
    """The landed rows of generated transactions."""
    return [each for batch in batches(records(count, seed), 500) for each in batch.landed.decode().splitlines()]
