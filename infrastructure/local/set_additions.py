"""The emulated fraud table, made fit for a run: what the fraud function adds to a set takes a third of moto's time.

moto parses both expressions of each UpdateItem several times and copies the item twice. The function sends one form of
it, thousands of times; that form is carried out here, every other as moto does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from moto.dynamodb.exceptions import ConditionalCheckFailed
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.responses import DynamoHandler, DynamoResult

from data_catalog.stream_alerts import EXPIRES_AT
from data_processing.fraud_table import ADDITION, ROOM

_FORM = {
    "UpdateExpression": ADDITION,
    "ConditionExpression": ROOM,
    "ReturnValues": "ALL_NEW",
    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
}


@contextmanager
def fast_set_additions() -> Iterator[None]:
    """Patch moto for as long as the context is open."""
    as_moto_does: Callable[[Any], Any] = DynamoHandler.update_item

    def update_item(handler: Any) -> Any:
        body = handler.body
        is_addition = all(body.get(name) == value for name, value in _FORM.items())
        return _add(handler) if is_addition else as_moto_does(handler)

    with patch.object(DynamoHandler, "update_item", update_item):
        yield


def _add(handler: Any) -> Any:
    body = handler.body
    table, key = handler.dynamodb_backend.get_table(body["TableName"]), body["Key"]
    values, rows = body["ExpressionAttributeValues"], body["ExpressionAttributeNames"]["#rows"]
    place = DynamoType(key[table.hash_key_attr]), DynamoType(key[table.range_key_attr])
    item = table.get_item(*place)
    held = item.attrs.get(rows) if item else None
    if held is not None and len(held.value) >= int(values[":most"]["N"]):
        raise ConditionalCheckFailed(item=item.to_json()["Attributes"])
    if item is None:
        table.put_item(dict(key))
        item = table.get_item(*place)
    kept = held.value if held else []
    more = [each for each in values[":new"]["SS"] if each not in kept]
    item.attrs[rows] = DynamoType({"SS": [*kept, *more]})
    item.attrs[EXPIRES_AT] = DynamoType(values[":expires"])
    return DynamoResult(item.to_json())
