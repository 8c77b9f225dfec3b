"""docs/fidelity.md, made from the claims.

python -m scripts.acceptance.fidelity        # write it again
"""

from __future__ import annotations

from pathlib import Path

from scripts.acceptance.claims import CLAIMS, Here
from scripts.acceptance.emulators import DIFFERENCES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "fidelity.md"
_HEAD = """\
# Fidelity

For whoever has to know how far a laptop's word goes: what is claimed of AWS, what is proven without an account, and
what waits for one. This page is made from `scripts/acceptance/claims.py`; a test holds them equal.

```
.venv/bin/banking-data acceptance --embedded                  # here: what can be proven without an account
.venv/bin/banking-data acceptance --report acceptance.json    # in an account, on its first day and for every release
```

In an account the command makes an environment of its own (`acceptance`; it refuses any other), puts 2,000 generated
transactions, waits until they land, runs the job, loads, reconciles, tries what has to be refused, and destroys the
environment again. Its Object Lock is a day, so that the buckets of raw and audit records stay until then, and are named
with their day. The report tells for each claim whether it was proven or failed, what was seen, and the ids of the
requests. Exit status: 0 nothing failed, 1 otherwise.

Whoever runs it needs the rights of `apply`, and those to simulate policies and to query Athena and Redshift. It is
billed as an hour of Redshift Serverless and a run of the Glue job.

| claim | here | by | in an account |
| --- | --- | --- | --- |
"""
_TAIL = """
Of {all} claims: {counts}.

## Two emulators

Provisioning is tried on moto, and on ministack where it is installed (`make ministack`; the tests are
`tests/provisioning/test_second_emulator.py`). Where they differ:

| what | moto | ministack | by AWS's documents |
| --- | --- | --- | --- |
"""


def page() -> str:
    """The page's text."""
    rows = "".join(
        f"| `{each.id}`: {each.text} | {each.here.value} | {each.how} | {each.in_account} |\n" for each in CLAIMS
    )
    counts = ", ".join(f"{sum(each.here is here for each in CLAIMS)} {here.value}" for here in Here)
    emulators = "".join(f"| {each.what} | {each.moto} | {each.ministack} | {each.aws} |\n" for each in DIFFERENCES)
    return _HEAD + rows + _TAIL.format(all=len(CLAIMS), counts=counts) + emulators


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
