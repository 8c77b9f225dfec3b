"""Whether the Powertools peer decides like the platform's function: the same records landed, the same quarantined.

    python benchmarks/peer_agreement.py           # the table; also made by lambda_hot_path.py

Feeds: the generator's, without and with faults, each promised form of a card number in a text and in an identifier, and
records of the leak hunt. Whether a card number can be read in what is written is counted too.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import sys
from typing import Any, NamedTuple

from benchmarks.lambda_workloads import FEEDS, event, feed
from benchmarks.powertools_peer import same_duties
from data_governance.tokenization import TokenKeys
from data_ingestion.transaction_batch import process_batch
from tests.unit.kinesis_events import event_records, transaction
from tests.unit.test_card_number_promises import FOUND, PAN
from tests.unit.test_transaction_batch_leaks import leaks, planted

RECORDS = 2_000
# The generator's records are decided alike, or the peer has other duties. Some of the leak hunt's are not.
_FEWEST_ALIKE = 0.95
_KEYS = TokenKeys(1, {1: bytes(range(32))})


class Written(NamedTuple):
    """The sequence numbers of quarantined records, and all that is written."""

    quarantined: set[str]
    text: str


class Compared(NamedTuple):
    """How many records both decide alike, of how many; in how many of the peer's objects a card number can be read."""

    alike: int
    records: int
    leaked: int


def _of_ours(records: list[Any]) -> Written:
    result = process_batch(records, "20261123T125500Z", _KEYS)
    rows = map(json.loads, result.quarantined.splitlines())
    return Written({row["sequence_number"] for row in rows}, (result.landed + result.quarantined).decode())


def _of_peer(records: list[Any]) -> Written:
    objects: dict[str, bytes] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        same_duties(objects.__setitem__)({"Records": records})
    bad, landed = (gzip.decompress(objects[key]) if key in objects else b"" for key in ("quarantine", "raw"))
    return Written({json.loads(line)["sequence_number"] for line in bad.splitlines()}, (landed + bad).decode())


def _compared(records: list[Any], numbers: set[str]) -> Compared:
    ours, peers = _of_ours(records), _of_peer(records)
    unlike = ours.quarantined ^ peers.quarantined
    return Compared(len(records) - len(unlike), len(records), len(leaks(peers.text, numbers)))


def agreement() -> dict[str, Compared]:
    """By feed. Raises AssertionError if the peer decides so differently that it has other duties."""
    found = {name: _compared(event(feed(RECORDS, faults))["Records"], set()) for name, faults in FEEDS.items()}
    texts = [text for form in FOUND.values() for text in form]
    ids = [text for text in texts if len(text) <= 64 and text.isascii() and text.isprintable() and " " not in text]
    found["promised forms, in a text"] = _compared(
        event_records(transaction(description=each) for each in texts), {PAN}
    )
    found["promised forms, in an identifier"] = _compared(
        event_records(transaction(original_transaction_id=each) for each in ids), {PAN}
    )
    numbers, records = zip(*planted(RECORDS, seed=1), strict=True)
    found["records of the leak hunt"] = _compared(event_records(records), set(numbers))
    for name, compared in found.items():
        fewest = compared.records if name in FEEDS else _FEWEST_ALIKE * compared.records
        assert compared.alike >= fewest, f"{name}: {compared}"
    return found


def agreement_table() -> str:
    lines = ["| Powertools, the same duties | decided like ours | card numbers that can be read |", "|---|---|---|"]
    for name, (alike, records, leaked) in agreement().items():
        lines.append(f"| {name} | {alike:,} of {records:,} | {leaked} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(agreement_table())
    sys.exit(0)
