"""Coverage-guided fuzzing of the batch function with atheris, for as long as one likes.

    python benchmarks/fuzz_transaction_batch.py --seconds 60

Fails on any exception, on an input of up to 64 KiB that takes more than five seconds, on totals that don't balance,
where the fast and the careful way differ, and on a card number of the corpus in what is written. The corpus starts from
the generator's records and the leak hunt's, and grows under build/fuzz. atheris is in benchmarks/requirements.txt; the
property tests do without it.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[1]

with atheris.instrument_imports(include=["data_ingestion", "data_governance"]):
    from data_ingestion.transaction_batch import process_batch
    from data_ingestion.transaction_generator import generate
    from tests.unit import kinesis_events
    from tests.unit.test_transaction_batch_leaks import planted
    from tests.unit.test_transaction_batch_properties import balanced, carefully

CORPUS = ROOT / "build" / "fuzz"
SEPARATOR = b"\x1e"  # between the records of one input
PLANTS = list(planted(1_000, seed=1))
CARDS = ("4111111111111111", "4222222222222", "378282246310005")
PLANTED = {*CARDS, *(number for number, _ in PLANTS)}
MAX_BYTES, MAX_SECONDS = 64 * 1024, 5
_RUN = re.compile(r"\d+")
_ESCAPE = re.compile(r"\\+u([0-9a-fA-F]{4})")


def try_input(data: bytes) -> None:
    """One batch, of the records that the input holds."""
    records = data.split(SEPARATOR)[:20]
    result = process_batch(kinesis_events.event_records(records), kinesis_events.INCARNATION, kinesis_events.KEYS)
    balanced(result, records)
    if result != carefully(records):
        raise AssertionError("the fast and the careful way differ")
    written = (result.landed + result.quarantined + result.control).decode()
    # With one more digit beside it, escaped or not, it is no card number.
    read = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), written)
    if PLANTED.intersection(_RUN.findall(read)):
        raise AssertionError("a card number was written")


def plant() -> None:
    """The first inputs."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    records = list(generate(60, seed=1))
    for index in range(0, 60, 3):
        (CORPUS / f"generated-{index:02d}").write_bytes(SEPARATOR.join(records[index : index + 3]))
    for index, number in enumerate(CARDS):
        text = kinesis_events.transaction(description=number, card_number=number)
        (CORPUS / f"card-{index}").write_bytes(text + SEPARATOR + kinesis_events.aggregated([text]))
    for index in range(0, len(PLANTS), 5):
        (CORPUS / f"planted-{index:03d}").write_bytes(SEPARATOR.join([data for _, data in PLANTS[index : index + 5]]))


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz the batch function.")
    parser.add_argument("--seconds", type=int, default=60, help="how long (default 60)")
    arguments = parser.parse_args()
    plant()
    options = [
        f"-max_total_time={arguments.seconds}",
        f"-max_len={MAX_BYTES}",
        f"-timeout={MAX_SECONDS}",
        f"-artifact_prefix={CORPUS.parent}/fuzz-",
    ]
    atheris.Setup([sys.argv[0], *options, str(CORPUS)], try_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
