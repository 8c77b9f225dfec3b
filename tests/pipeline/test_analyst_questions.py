"""Every question of docs/analyst.md about the warehouse is answered by its query, as the role that it names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from data_storage import warehouse_loader
from data_storage.redshift_setup import contents
from infrastructure.local.redshift.dialect import translate
from infrastructure.local.redshift.postgresql import Warehouse
from infrastructure.settings import Settings
from scripts.orchestrate_pipeline import main
from tests.pipeline.analyst_page import IN_WAREHOUSE, QUESTIONS, Question
from tests.pipeline.curated_runs import BUCKET, alert, evidence, link, put_run, transaction
from tests.pipeline.test_warehouse_quarantine import put, refused
from tests.pipeline.warehouse_bench import open_bench

MARCH = datetime(2026, 3, 2, 12, tzinfo=UTC)
CARD = {"transaction_type": "CARD_PURCHASE", "credit_debit_indicator": "DBIT", "merchant_country": "DE"}
ROWS = [
    transaction(1, balance_after=Decimal(5), merchant_name="Shop", merchant_category_code="5411", **CARD),
    transaction(2, merchant_name="Shop", merchant_category_code="5812", card_token="2_a", card_last4="1234", **CARD),
    transaction(3, merchant_name="Shop", merchant_category_code="5411", event_time=MARCH.replace(day=9), **CARD),
    transaction(4, transaction_type="REVERSAL", original_transaction_id="gone"),
    transaction(5, event_time=MARCH.replace(year=2019)),
    transaction(6, status="PENDING", credit_debit_indicator="DBIT", event_time=datetime.now(UTC)),
]


def test_there_are_twenty_questions_for_every_role_and_the_lake() -> None:
    assert [each.number for each in QUESTIONS] == list(range(1, 21))
    assert {each.role for each in QUESTIONS} == {"analyst", "fraud_analyst", "auditor", ""}


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A kept warehouse with something for each question."""
    directory = tmp_path_factory.mktemp("kept")
    with Warehouse(directory / "warehouse") as server, open_bench(server) as bench:
        contents(Settings()).make(bench.data_api, bench.target)
        about = alert(1, rule="rapid_card_use", severity="HIGH", subject_type="CARD", subject="1_a")
        rests_on = [evidence(about, ROWS[1])]
        put_run(bench.s3, "one", ROWS, [about], evidence=rests_on, links=[link("2_a", "1_a")])
        put(bench.s3, "two", [refused(1, "landing")], datetime(2026, 3, 6, tzinfo=UTC))
        warehouse_loader.load_pending(bench.data_api, bench.s3, bench.target, BUCKET)
        yield directory


@pytest.mark.parametrize("question", IN_WAREHOUSE, ids=lambda question: question.number)
def test_the_warehouse_answers_the_role_that_asks(
    question: Question, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    translate(question.sql)  # refuses what Redshift does not have
    status = main(["query", "--workdir", str(workdir), "--as", question.role, "--json", question.sql])
    captured = capsys.readouterr()
    assert status == 0, captured.err
    assert [json.loads(line) for line in captured.out.splitlines()], "a question whose answer is empty proves nothing"
