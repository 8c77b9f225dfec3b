"""The token key is rotated in the middle of a feed, as its users do it: nothing is lost, held twice, or seen twice."""

import contextlib
import json

import pytest

from data_ingestion.fraud_scenarios import scenarios
from data_ingestion.transaction_generator import generate_with_fraud
from infrastructure.local.redshift.postgresql import query
from scripts.orchestrate_pipeline import main
from tests.pipeline.test_local_run import hop, local, records

FRAUD = "SELECT rule, subject_type, bucket_start FROM banking.fraud_alerts ORDER BY 1, 2, 3"
CARD_ALERTS = """SELECT COUNT(*), COUNT(uses.card) FROM banking.fraud_alerts AS alert
LEFT JOIN (SELECT DISTINCT card FROM banking.card_transactions) AS uses ON uses.card = alert.subject
WHERE alert.subject_type = 'CARD'"""


@pytest.fixture(scope="module", autouse=True)
def without_the_stream():
    """The job alone raises alerts: the fraud function would name cards by the tokens of the day."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STREAM_ALERTS", "false")
        yield


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    """A feed with fraud up to three of its places, and all that is sent if each part begins anew."""
    directory = tmp_path_factory.mktemp("feed")
    lines = of_one_account_each(list(generate_with_fraud(1300, 7, list(scenarios(2, 7)))))
    parts = {"a": lines[:600], "ab": lines[:1200], "abc": lines}
    parts["all"] = [*parts["a"], *parts["ab"], *parts["abc"]]
    paths = {name: directory / f"{name}.ndjson" for name in parts}
    for name, path in paths.items():
        path.write_bytes(b"\n".join(parts[name]) + b"\n")
    return paths


def of_one_account_each(lines):
    """Without the ids that two accounts use: which of them arrives first is up to the stream."""
    accounts: dict[str, dict[str, bytes]] = {}
    for line in lines:
        with contextlib.suppress(ValueError, TypeError, KeyError):
            record = json.loads(line)
            accounts.setdefault(record["transaction_id"], {})[record["account_id"]] = line
    shared = {line for of_id in accounts.values() if len(of_id) > 1 for line in of_id.values()}
    return [line for line in lines if line not in shared]


@pytest.fixture(scope="module")
def rotated(tmp_path_factory, feed):
    """600 records before a rotation, in the overlap the same again and 600 more, and the rest behind its end."""
    workdir = tmp_path_factory.mktemp("rotated") / "w"
    local(workdir, "--input", feed["a"])
    assert main(["rotate-token-key", "--workdir", str(workdir)]) == 0
    overlap = local(workdir, "--input", feed["ab"])
    assert overlap["balanced"] is True
    assert main(["rotate-token-key", "--workdir", str(workdir), "--retire", "1", "--now"]) == 0
    return workdir, local(workdir, "--input", feed["abc"])


@pytest.fixture(scope="module")
def plain(tmp_path_factory, feed):
    """The same without a rotation, in one run."""
    workdir = tmp_path_factory.mktemp("plain") / "w"
    return workdir, local(workdir, "--input", feed["all"])


@pytest.mark.slow
def test_every_hop_balances_and_ends_as_without_a_rotation(rotated, plain):
    (_, mine), (_, other) = rotated, plain
    assert mine["balanced"] is other["balanced"] is True
    for name in ("curated", "duplicate", "quarantined", "loaded"):
        assert hop(mine, name) == hop(other, name), name
    assert records(mine, "duplicate") > 1500, "what came before the rotation came again behind it"


@pytest.mark.slow
def test_the_fraud_rules_see_the_same_cards(rotated, plain):
    workdir = rotated[0]
    alerts = query(workdir / "warehouse", FRAUD)
    assert alerts == query(plain[0] / "warehouse", FRAUD)
    ((raised, of_a_card),) = query(workdir / "warehouse", CARD_ALERTS)
    assert raised == of_a_card > 0, "an alert about a card joins with what was done with it"


@pytest.mark.slow
def test_a_card_has_its_tokens_linked_and_no_other_one(rotated, plain):
    workdir = rotated[0]
    cards = "SELECT COUNT(DISTINCT card), COUNT(DISTINCT card_token) FROM banking.card_transactions"
    ((same, tokens),) = query(workdir / "warehouse", cards)
    ((expected, alone),) = query(plain[0] / "warehouse", cards)
    ((links,),) = query(workdir / "warehouse", "SELECT COUNT(*) FROM banking.token_links")
    assert same == expected == alone < tokens
    assert 0 < links <= expected


@pytest.mark.slow
def test_the_retired_key_is_gone_and_its_tokens_are_made_no_more(rotated):
    workdir, _ = rotated
    secret = json.loads(json.loads((workdir / "secrets.json").read_text())["tokenization"])
    assert (secret["current"], list(secret["keys"])) == (2, ["2"])
    newest = "SELECT card_token, former_card_token FROM banking.fact_transactions WHERE card_token IS NOT NULL"
    rows = query(workdir / "warehouse", f"{newest} ORDER BY stream_incarnation DESC LIMIT 20")
    assert {(token[:2], former) for token, former in rows} == {("2_", None)}
