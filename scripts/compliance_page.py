"""docs/compliance.md, made from the controls.

python -m scripts.compliance_page        # write it again
"""

from __future__ import annotations

from pathlib import Path

from data_governance.controls import CONTROLS, ELSEWHERE, UNCONTROLLED
from data_governance.controls.control import Control, Severity

PAGE = Path(__file__).resolve().parents[1] / "docs" / "compliance.md"
_HEAD = """\
# Compliance

For assessors and security engineers: which requirements of PCI DSS v4.0.1 the platform checks in an account, on what,
how each check is tested, and how you see the same by yourself. This page is made from the controls in
`data_governance/controls/`; a test holds them equal.

```
.venv/bin/banking-data verify                         # exit 0 all met, 1 one failed, 2 some not evaluated
.venv/bin/banking-data verify --report verify.html    # with the evidence, as a page to keep
.venv/bin/banking-data verify --json                  # for a program
```

`verify` reads what the account answers and judges what that means, never what the code intends: a statement that lets
in anybody of another account fails whatever it is called, a Deny that is narrower than everybody and everything counts
as none. It changes nothing. A control that cannot be evaluated says so and never counts as met; a resource that does
not exist fails its controls.

The report is one file without scripts or links to elsewhere: account, region, time, caller, and by control each
resource with the properties that it was judged by. It names resources and policies, and holds no secret and no
customer's data.

How a control is tested: `tests/provisioning/governance/test_mutations.py` breaks each setting of an emulated account by
hand, one at a time (the rows are in `tests/provisioning/mutations/`), and asserts what `plan` shows and exactly which
controls fail. A control, a resource or a property without a row fails that test. What no emulator can break is in
`tests/unit/test_controls.py`, what a policy means in `tests/unit/test_policy_meaning.py`. The column "test" is what to
give to `.venv/bin/python -m pytest tests/unit tests/provisioning`. Names in capitals in the commands stand for the
resource's.

A daily `verify` in a job of its own, with an identity that may only read, is the check for unauthorised changes that
requirement 11.5.2 asks for. The identity that plans ([operations.md](operations.md#deploy)) may do all that it needs.
"""
_TABLE = """
| requirement | control | resource | severity | test | seen by |
| --- | --- | --- | --- | --- | --- |
"""
_SEVERITIES = tuple(Severity)


def page() -> str:
    """The page's text."""
    ordered = sorted(CONTROLS, key=lambda control: (_key(control.requirement), control.id))
    counts = ", ".join(
        f"{sum(control.severity is severity for control in CONTROLS)} {severity.value}" for severity in _SEVERITIES
    )
    exempt = {(part.strip("-"), why) for control in CONTROLS for part, why in control.exempt.items()}
    parts = [
        _HEAD,
        f"\n## The {len(CONTROLS)} controls\n\n",
        f"By severity: {counts}. In brackets: Security Hub's control or AWS Config's rule.\n",
        _TABLE,
        *(_row(control) for control in ordered),
        "\nLeft out of single controls:\n\n",
        *(f"- `{part}`: {why}\n" for part, why in sorted(exempt)),
        "\n## Left to the account\n\n| requirement | what |\n| --- | --- |\n",
        *(f"| {requirement} | {what} |\n" for requirement, what in ELSEWHERE.items()),
        "\n## Resources without a control\n\n| resource | why |\n| --- | --- |\n",
        *(f"| `{_short(type_)}` | {why} |\n" for type_, why in UNCONTROLLED.items()),
    ]
    return "".join(parts)


def _key(requirement: str) -> tuple[int, ...]:
    parts = requirement.split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else (99,)


def _row(control: Control) -> str:
    standards = f" ({', '.join(control.standards)})" if control.standards else ""
    only = f", {' and '.join(part.strip('-') for part in control.only)}" if control.only else ""
    types = ", ".join(f"`{_short(type_)}`" for type_ in control.types)
    cells = (
        control.requirement,
        f"`{control.id}`: {control.what}{standards}",
        f"{types}{only}",
        control.severity.value,
        f"`-k {control.id}`",
        f"`{control.evidence}`",
    )
    return f"| {' | '.join(cells)} |\n"


def _short(type_: str) -> str:
    return type_.removeprefix("AWS::")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
