"""What the page asks of the warehouse, on the stand-in's SQL, as an auditor."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from data_storage import warehouse_loader
from data_storage.sql_scripts import run_script
from data_storage.warehouse_security import apply_security
from data_storage.warehouse_tables import views_script
from infrastructure.local.run_page.figures import SAMPLES_OF_A_REASON, read_figures
from tests.pipeline.curated_runs import BUCKET, alert, evidence, put_run, transaction


@pytest.fixture
def loaded(bench):
    """Two runs of 30 entries each, the second with an alert; five records in quarantine. (bench, their ids)."""
    apply_security(bench.data_api, bench.target)
    run_script(bench.data_api, bench.target, views_script(30))
    first = put_run(bench.s3, "one", [transaction(n) for n in range(30)])
    raised, entries = alert(31), [transaction(n) for n in range(30, 60)]
    second = put_run(bench.s3, "two", entries, [raised], evidence=[evidence(raised, entries[1])])
    warehouse_loader.load_pending(bench.data_api, bench.s3, bench.target, BUCKET)
    payload = '{"account_id":"DE89370400440532013000","currency":"EURO"}'
    values = [
        f"('invalid_currency', 'landing', 'currency', 'tx-{n}', 0, 'i', 's', '{n}', 0, '2026-03-04 00:00:0{n}', 'f{n}',"
        f" '{payload}')"
        for n in range(5)
    ]
    bench.batch(
        "INSERT INTO banking.quarantine (reason, stage, field, transaction_id, amount, stream_incarnation, shard_id,"
        f" sequence_number, sub_sequence_number, arrival_time, fingerprint, payload) VALUES {', '.join(values)}"
    )
    return bench, first, second


def test_entries_are_summed_by_hour_and_type_and_those_of_the_run_apart(loaded):
    bench, _, second = loaded
    found = read_figures(bench.data_api, bench.target, [second])
    for rows in (found.by_hour, found.by_type):
        assert [sum(row.records for row in rows if row.is_new is is_new) for is_new in (True, False)] == [30, 30]
        assert sum(row.amount for row in rows) == sum(Decimal(n + 1).scaleb(-2) for n in range(60))
    assert {row.group for row in found.by_hour} == {"12"}
    assert {row.group for row in found.by_type} == {"PAYMENT"}


def test_samples_are_the_newest_of_each_reason_and_masked(loaded):
    bench, first, _ = loaded
    (samples,) = read_figures(bench.data_api, bench.target, [first]).samples.values()
    assert [sample.transaction_id for sample in samples] == ["tx-4", "tx-3", "tx-2"][:SAMPLES_OF_A_REASON]
    assert all("DE89…3000" in sample.payload and "3704" not in sample.payload for sample in samples)


def test_an_alert_names_what_it_rests_on_and_whether_the_run_raised_it(loaded):
    bench, first, second = loaded
    for run_id, is_new in ((second, True), (first, False)):
        found = read_figures(bench.data_api, bench.target, [run_id])
        (raised,) = found.alerts
        assert (raised.is_new, found.alerts_by_rule) == (is_new, {"large_amount": 1})
        assert found.new_alerts_by_rule == ({"large_amount": 1} if is_new else {})
        assert [row.transaction_id for row in raised.evidence] == ["tx-00000031"]


def test_no_runs_and_an_auditors_rights_suffice(loaded):
    bench, _, _ = loaded
    bench.batch("CREATE USER page_auditor PASSWORD DISABLE", "GRANT ROLE auditor TO page_auditor")
    found = read_figures(bench.data_api, replace(bench.target, db_user="page_auditor"), [])
    assert sum(row.records for row in found.by_hour) == 60 and not any(row.is_new for row in found.by_hour)
