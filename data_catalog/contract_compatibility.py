"""What changed between two versions of the contract, and whether readers and producers of the former can live with it.

Compatible is one thing: an optional field more, with an id that no field ever had, in a new minor version. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# What others read or send. Alerts are made by rules that a bank replaces by its own, so they are not promised.
PROMISED = ("TRANSACTION_FIELDS", "LANDED_FIELDS", "CURATED_FIELDS", "QUARANTINE_FIELDS")
_KEPT = ("type", "required", "max_length", "values", "ascii", "free_text")

Tables = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Contract:
    """A version of the contract. tables: fields by the names in PROMISED; minor_units: by currency.

    Fields are compared by their attributes, so that those of a former Field class, without id, can be compared too.
    """

    version: str
    tables: Tables
    minor_units: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. where: table and field."""

    where: str
    what: str
    breaks: bool


def changes(former: Contract, present: Contract) -> list[Change]:
    """Every difference, table by table."""
    return [
        *_version_changes(former, present),
        *(
            change
            for table in PROMISED
            for change in _table_changes(table, former.tables[table], present.tables[table], former, present)
        ),
        *_currency_changes(former.minor_units, present.minor_units),
    ]


def is_new_major(former: Contract, present: Contract) -> bool:
    """Whether the version itself says that nothing of the former holds any more."""
    return _numbers(present.version)[0] > _numbers(former.version)[0]


def _version_changes(former: Contract, present: Contract) -> Iterator[Change]:
    if _numbers(present.version) < _numbers(former.version):
        yield Change("SCHEMA_VERSION", f"goes back from {former.version} to {present.version}", True)


def _table_changes(
    table: str, before: Sequence[Any], now: Sequence[Any], former: Contract, present: Contract
) -> Iterator[Change]:
    by_name = {field.name: field for field in now}
    former_names = {field.name for field in before}
    taken = {_id(field): field.name for fields in former.tables.values() for field in fields if _id(field)}
    for field in before:
        where = f"{table}.{field.name}"
        kept = by_name.get(field.name)
        if kept is None:
            yield Change(where, "is gone", True)
            continue
        for name in _KEPT:
            was, is_ = _plain(getattr(field, name)), _plain(getattr(kept, name))
            if was != is_:
                yield Change(where, f"has {name} {is_} where it had {was}", True)
        if _id(field) and _id(field) != kept.id:
            yield Change(where, f"has id {kept.id} where it had {_id(field)}", True)
    remaining = [field.name for field in now if field.name in former_names]
    if remaining != [field.name for field in before if field.name in by_name]:
        yield Change(table, "has its fields in another order", True)
    for field in now:
        if field.name not in former_names:
            yield _added(f"{table}.{field.name}", field, taken, former, present)


def _added(where: str, field: Any, taken: Mapping[int, str], former: Contract, present: Contract) -> Change:
    if field.required:
        return Change(where, "is new and required; a new field is optional", True)
    if taken.get(field.id, field.name) != field.name:
        return Change(where, f"has id {field.id}, which was that of {taken[field.id]}", True)
    if not _numbers(former.version) < _numbers(field.since) <= _numbers(present.version):
        return Change(where, f"is new since {field.since}: raise SCHEMA_VERSION above {former.version}", True)
    return Change(where, f"is new since {field.since}", False)


def _currency_changes(before: Mapping[str, int], now: Mapping[str, int]) -> Iterator[Change]:
    for currency, units in sorted(before.items()):
        if currency not in now:
            yield Change(f"currency {currency}", "is gone; a withdrawn one is kept with its last month", True)
        elif now[currency] != units:
            yield Change(f"currency {currency}", f"has {now[currency]} minor units where it had {units}", True)
    if added := sorted(now.keys() - before.keys()):
        yield Change("currencies", f"{len(added)} are new, {added[0]} to {added[-1]}", False)


def _id(field: Any) -> int:
    return int(getattr(field, "id", 0))  # contract 1.0 had none


def _plain(value: Any) -> Any:
    return getattr(value, "value", value)  # two loads of one module have two Type classes


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
