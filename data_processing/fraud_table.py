"""The fraud stream's table in DynamoDB: what the rules remember, and which alerts were raised and told.

data_catalog/stream_alerts.py has its keys. What is remembered of a subject's day is one string set. The call that adds
transactions to it answers all of it, which is half the calls of a put and a query; and neither the order of objects nor
their repetition makes a difference to a set.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from datetime import time as day_time
from typing import Any

import msgspec

from data_catalog.stream_alerts import ALERT_DAYS, EXPIRES_AT, ITEM, SUBJECT, StreamAlert, memory_of
from data_processing.landed_transactions import Transaction
from data_processing.stream_detection import SubjectDay

# So many transactions of one subject and day are remembered: an item stays below 400 KB, and an update of the busiest
# account costs some 50 write units. The job, which sees all, raises what a subject beyond it would.
MOST_REMEMBERED = 250
# After a day has ended and its last object has come, for objects that come late.
MEMORY_DAYS = 3
# Longer than the function may run, shorter than its message stays invisible: so whoever was to tell an alert and died
# is found to be late when the message comes again.
CLAIM_SECONDS = 90

ADDITION = f"ADD #rows :new SET {EXPIRES_AT} = :expires"
ROOM = "attribute_not_exists(#rows) OR size(#rows) < :most"

_AT_ONCE = 16
_KEYS_AT_ONCE = 100  # BatchGetItem's limit
_LONGEST_PAUSE_SECONDS = 1.0
_ROWS, _ALERT, _CLAIMED_UNTIL, _TOLD_AT = "rows", "alert", "claimed_until", "told_at"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Transaction).decode


class FraudTable:
    """The table of this name. not_remembered: how many transactions were beyond MOST_REMEMBERED so far."""

    def __init__(self, dynamodb: Any, name: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._dynamodb = dynamodb
        self._name = name
        self._now = now
        self.not_remembered = 0

    def add(self, new: Mapping[SubjectDay, Collection[Transaction]]) -> dict[SubjectDay, set[Transaction]]:
        """Add transactions; returns all that is remembered of these days, the new ones among it."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            held = list(pool.map(self._add, new.items()))
        found: dict[SubjectDay, set[Transaction]] = {}
        for (day, transactions), rows in zip(new.items(), held, strict=True):
            found[day] = _transactions(rows)
            self.not_remembered += len(set(transactions) - found[day])
            found[day].update(transactions)
        return found

    def read(self, days: Collection[SubjectDay]) -> dict[SubjectDay, set[Transaction]]:
        """What is remembered of these days, by a consistent read; days of which nothing is are left out."""
        by_key = {(memory_of(day.subject_type, day.subject), day.event_date.isoformat()): day for day in days}
        keys = [{SUBJECT: {"S": subject}, ITEM: {"S": item}} for subject, item in by_key]
        pieces = [keys[start : start + _KEYS_AT_ONCE] for start in range(0, len(keys), _KEYS_AT_ONCE)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            items = [item for found in pool.map(self._get, pieces) for item in found]
        return {by_key[item[SUBJECT]["S"], item[ITEM]["S"]]: _transactions(item[_ROWS]["SS"]) for item in items}

    def claim(self, alert: StreamAlert) -> bool:
        """Note the alert, and whether it is ours to tell: false if it was told, or another is telling it now."""
        now = self._now()
        parameters = self._key(alert) | {
            "UpdateExpression": f"SET {_ALERT} = if_not_exists({_ALERT}, :alert), {_CLAIMED_UNTIL} = :until, "
            f"{EXPIRES_AT} = :expires",
            "ConditionExpression": f"attribute_not_exists({_TOLD_AT}) AND "
            f"(attribute_not_exists({_CLAIMED_UNTIL}) OR {_CLAIMED_UNTIL} < :now)",
            "ExpressionAttributeValues": {
                ":alert": {"S": json.dumps(alert.as_json())},
                ":until": _seconds(now + timedelta(seconds=CLAIM_SECONDS)),
                ":now": _seconds(now),
                ":expires": _seconds(now + timedelta(days=ALERT_DAYS)),
            },
        }
        try:
            self._dynamodb.update_item(TableName=self._name, **parameters)
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def told(self, alert: StreamAlert) -> None:
        """Note that the alert was told."""
        self._dynamodb.update_item(
            TableName=self._name,
            **self._key(alert),
            UpdateExpression=f"SET {_TOLD_AT} = :now",
            ExpressionAttributeValues={":now": {"S": self._now().isoformat()}},
        )

    def _key(self, alert: StreamAlert) -> dict[str, Any]:
        return {"Key": {name: {"S": value} for name, value in alert.key.items()}}

    def _add(self, new: tuple[SubjectDay, Collection[Transaction]]) -> Sequence[str]:
        day, transactions = new
        rows = [_encode(each).decode() for each in sorted(transactions, key=lambda each: each.at)[:MOST_REMEMBERED]]
        ended = datetime.combine(day.event_date, day_time.max, UTC)
        try:
            answer = self._dynamodb.update_item(
                TableName=self._name,
                Key={
                    SUBJECT: {"S": memory_of(day.subject_type, day.subject)},
                    ITEM: {"S": day.event_date.isoformat()},
                },
                UpdateExpression=ADDITION,
                ConditionExpression=ROOM,
                ExpressionAttributeNames={"#rows": _ROWS},  # a reserved word
                ExpressionAttributeValues={
                    ":new": {"SS": rows},
                    ":most": {"N": str(MOST_REMEMBERED)},
                    ":expires": _seconds(max(self._now(), ended) + timedelta(days=MEMORY_DAYS)),
                },
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as full:
            old: Sequence[str] = full.response["Item"][_ROWS]["SS"]
            return old
        held: Sequence[str] = answer["Attributes"][_ROWS]["SS"]
        return held

    def _get(self, keys: list[dict[str, Any]]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        asked: dict[str, Any] = {self._name: {"Keys": keys, "ConsistentRead": True}}
        pause = 0.05
        while asked:
            answer = self._dynamodb.batch_get_item(RequestItems=asked)
            found += answer["Responses"].get(self._name, [])
            asked = answer.get("UnprocessedKeys") or {}
            if asked:  # throttled in part
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        return found


def _transactions(rows: Collection[str]) -> set[Transaction]:
    return {_decode(row.encode()) for row in rows}


def _seconds(moment: datetime) -> dict[str, str]:
    return {"N": str(int(moment.timestamp()))}
