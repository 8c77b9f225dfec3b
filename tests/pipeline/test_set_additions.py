"""What the laptop does in moto's place answers and leaves what moto answers and leaves."""

from __future__ import annotations

import random
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any

import boto3
import pytest

from data_catalog.stream_alerts import ITEM, SUBJECT
from data_processing import fraud_table
from data_processing.fraud_table import FraudTable
from data_processing.stream_detection import SubjectDay
from infrastructure.local.emulator import emulated_aws
from infrastructure.local.set_additions import fast_set_additions
from tests.unit.stream_memory import START, transaction


def carried_out(within: AbstractContextManager[None]) -> tuple[list[Any], list[Any]]:
    """What each of many additions answers, and what the table holds after them."""
    draw = random.Random(17)
    with emulated_aws(), within:
        dynamodb = boto3.client("dynamodb", region_name="us-east-1")
        dynamodb.create_table(
            TableName="fraud",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in (SUBJECT, ITEM)],
            KeySchema=[{"AttributeName": SUBJECT, "KeyType": "HASH"}, {"AttributeName": ITEM, "KeyType": "RANGE"}],
        )
        table = FraudTable(dynamodb, "fraud", lambda: START)
        answers = []
        for _ in range(60):
            day = SubjectDay("CARD", draw.choice("AB"), (START + timedelta(days=draw.randint(0, 1))).date())
            rows = {transaction(draw.randint(0, 15)) for _ in range(draw.randint(1, 4))}
            answers.append((table.add({day: rows}), table.not_remembered))
        items = dynamodb.scan(TableName="fraud")["Items"]
    for item in items:
        item["rows"]["SS"].sort()
    return answers, sorted(items, key=str)


def test_additions_answer_and_leave_what_motos_own_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fraud_table, "MOST_REMEMBERED", 8)
    assert carried_out(fast_set_additions()) == carried_out(nullcontext())
