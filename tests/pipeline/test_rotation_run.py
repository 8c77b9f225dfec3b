"""The token key is rotated in the middle of a feed, as its users do it: nothing is lost, held twice, or seen twice."""

import json

import pytest

from data_ingestion.transaction_generator import generate
from infrastructure.local.redshift.postgresql import query
from scripts.orchestrate_pipeline import main
from tests.pipeline.test_local_run import hop, local, records

FRAUD = "SELECT rule, subject_type, bucket_start FROM banking.fraud_alerts ORDER BY 1, 2, 3"
CARD_ALERTS = """SELECT COUNT(*), COUNT(uses.card) FROM banking.fraud_alerts AS alert
LEFT JOIN (SELECT DISTINCT card FROM banking.card_transactions) AS uses ON uses.card = alert.subject
WHERE alert.subject_type = 'CARD'"""


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    """A feed up to three of its places."""
    directory, lines = tmp_path_factory.mktemp("feed"), list(generate(1500, 7))
    paths = {end: directory / f"{end}.ndjson" for end in (600, 1200, 1500)}
    for end, path in paths.items():
        path.write_bytes(b"\n".join(lines[:end]) + b"\n")
    return paths


@pytest.fixture(scope="module")
def rotated(tmp_path_factory, feed):
    """600 records before a rotation, in the overlap the same again and 600 more, and 300 behind its end."""
    workdir = tmp_path_factory.mktemp("rotated") / "w"
    local(workdir, "--input", feed[600])
    assert main(["rotate-token-key", "--workdir", str(workdir)]) == 0
    overlap = local(workdir, "--input", feed[1200])
    assert main(["rotate-token-key", "--workdir", str(workdir), "--retire", "1", "--now"]) == 0
    return workdir, overlap, local(workdir, "--input", feed[1500])


@pytest.fixture(scope="module")
def plain(tmp_path_factory, feed):
    """The same without a rotation."""
    workdir = tmp_path_factory.mktemp("plain") / "w"
    local(workdir, "--input", feed[600])
    return workdir, local(workdir, "--input", feed[1200]), local(workdir, "--input", feed[1500])


@pytest.mark.slow
def test_every_hop_balances_and_ends_as_without_a_rotation(rotated, plain):
    for mine, other in zip(rotated[1:], plain[1:], strict=True):
        assert mine["balanced"] is True
        for name in ("curated", "duplicate", "quarantined", "loaded"):
            assert hop(mine, name) == hop(other, name), name
    assert records(rotated[1], "duplicate") > 500, "what came before the rotation came again behind it"


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
    workdir, _, _ = rotated
    secret = json.loads(json.loads((workdir / "secrets.json").read_text())["tokenization"])
    assert (secret["current"], list(secret["keys"])) == (2, ["2"])
    newest = "SELECT card_token, former_card_token FROM banking.fact_transactions WHERE card_token IS NOT NULL"
    rows = query(workdir / "warehouse", f"{newest} ORDER BY stream_incarnation DESC LIMIT 20")
    assert {(token[:2], former) for token, former in rows} == {("2_", None)}
