"""What the control totals say of transactions that went through the whole pipeline."""

from __future__ import annotations

from data_governance.reconciliation import HOPS, Measured, imbalances
from scripts.acceptance.verdicts import Disproven


def landed(measured: Measured, expected: int) -> str:
    """All that was streamed lands or lies in quarantine."""
    _balance(measured, "streamed", "landed")
    if measured.streamed.records < expected:
        raise Disproven(f"{measured.streamed.records:,} records are accounted for, {expected:,} were put")
    quarantined = measured.quarantined_landing.records
    return f"{measured.landed.records:,} records landed, {quarantined:,} lie in quarantine"


def curated(measured: Measured) -> str:
    """All that landed is curated, a duplicate, or in quarantine."""
    _balance(measured, "curated")
    if not measured.curated.all.records:
        raise Disproven("nothing was curated")
    return f"{measured.curated.all.records:,} rows curated"


def loaded(measured: Measured) -> str:
    """All that was curated is in the warehouse."""
    if measured.loaded is None or not measured.loaded.all.records:
        raise Disproven("nothing was loaded")
    _balance(measured, "loaded")
    return f"{measured.loaded.all.records:,} rows loaded"


def reconciled(measured: Measured) -> str:
    """Every hop."""
    _balance(measured, *HOPS)
    return f"balanced at {', '.join(measured.hops())}"


def _balance(measured: Measured, *hops: str) -> None:
    if off := imbalances(measured, hops):
        raise Disproven("; ".join(map(str, off)))


def masked(seen: list[str]) -> str:
    """What an analyst saw of the cards' last four digits; never shown itself."""
    if not seen or set(seen) != {"****"}:
        raise Disproven(f"an analyst sees {len(set(seen) - {'****'})} values that are no mask, of {len(seen)}")
    return "an analyst sees **** for every card"
