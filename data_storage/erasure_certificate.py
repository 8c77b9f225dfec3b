"""What an erasure did, as it is kept: a document for programs, and a page that an auditor can file. Pure.

Neither holds the account's number: its masked form and its keyed hash (data_governance/tombstones.py) do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from html import escape
from typing import Any, Self

from data_catalog.lake_layout import ERASURES_PREFIX
from data_governance.kept_totals import Erasure

LEGAL_GROUND = (
    "GDPR Article 17(1). Raw is kept until its lifecycle ends, under Article 17(3)(b) and (e): the bank's duty to keep"
    " records of payments, and the establishment, exercise or defence of legal claims."
)


@dataclass(frozen=True, slots=True)
class MovedTag:
    """A tag of a table: the snapshot that it named before, and the one that it names since."""

    table: str
    tag: str
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class RawKept:
    """What the raw bucket keeps. until: when the last object that was seen to hold the account ends."""

    bucket: str
    days: int
    old_version_days: int
    until: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """An erasure. completed_at: None while it is under way.

    removed, masked: rows by place. entry: what it is in the books. tags: while under way, with the old snapshot alone.
    rewritten: objects of the quarantine bucket that were written anew. resealed: sealed arrival dates of such objects,
    which count for the same as before.
    """

    id: str
    account: str
    account_hash: str
    asked_by: str
    asked_at: datetime
    removed: Mapping[str, int]
    masked: Mapping[str, int]
    entry: Erasure
    tags: Sequence[MovedTag]
    raw: RawKept
    rewritten: Sequence[str] = ()
    resealed: Sequence[str] = ()
    completed_at: datetime | None = None
    legal_ground: str = field(default=LEGAL_GROUND)

    @property
    def key(self) -> str:
        return f"{ERASURES_PREFIX}{self.id}.json"

    @property
    def page_key(self) -> str:
        return f"{ERASURES_PREFIX}{self.id}.html"

    def completed(self, at: datetime, tags: Sequence[MovedTag]) -> Certificate:
        return replace(self, completed_at=at, tags=tags)

    def to_json(self) -> bytes:
        document: dict[str, Any] = {
            "id": self.id,
            "account": self.account,
            "account_hash": self.account_hash,
            "asked_by": self.asked_by,
            "asked_at": self.asked_at.isoformat(),
            "completed_at": self.completed_at.isoformat() if self.completed_at else None,
            "legal_ground": self.legal_ground,
            "removed": dict(self.removed),
            "masked": dict(self.masked),
            "tags": [asdict(tag) for tag in self.tags],
            "raw": asdict(self.raw),
            "control_totals": self.entry.to_row(),
            "rewritten": list(self.rewritten),
            "resealed": list(self.resealed),
        }
        return json.dumps(document, indent=1).encode()

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        document = json.loads(body)
        completed_at = document["completed_at"]
        return cls(
            id=document["id"],
            account=document["account"],
            account_hash=document["account_hash"],
            asked_by=document["asked_by"],
            asked_at=datetime.fromisoformat(document["asked_at"]),
            removed=document["removed"],
            masked=document["masked"],
            entry=Erasure.from_row(document["control_totals"]),
            tags=[MovedTag(**tag) for tag in document["tags"]],
            raw=RawKept(**document["raw"]),
            rewritten=document["rewritten"],
            resealed=document["resealed"],
            completed_at=datetime.fromisoformat(completed_at) if completed_at else None,
            legal_ground=document["legal_ground"],
        )

    def to_html(self) -> bytes:
        """A page without scripts or links to elsewhere."""
        raw = self.raw
        kept = (
            f"The raw bucket {raw.bucket} keeps what landed, under Object Lock, {raw.days:,} days from its arrival, and"
            f" replaced versions {raw.old_version_days} days more. The last object that was seen to hold the account"
            f" ends on {raw.until}."
        )
        done = f"{self.completed_at:%Y-%m-%d %H:%M:%S} UTC" if self.completed_at else "under way"
        head = [
            ("Account", self.account), ("Keyed hash of the account", self.account_hash), ("Asked by", self.asked_by),
            ("Asked at", f"{self.asked_at:%Y-%m-%d %H:%M:%S} UTC"), ("Completed", done), ("Ground", self.legal_ground),
        ]  # fmt: skip
        gone = self.entry.gone.rows()
        parts = [
            f"<h1>Certificate of erasure {escape(self.id)}</h1>",
            _table((), head),
            "<h2>Removed</h2>",
            _table(("place", "rows"), self.removed.items()),
            "<h2>Masked, where the account was named by another's</h2>",
            _table(("place", "rows"), self.masked.items()),
            "<h2>Snapshots of month ends, written anew</h2>",
            _table(("table", "tag", "before", "since"), ((t.table, t.tag, t.old, t.new) for t in self.tags)),
            "<h2>What is no longer in the books</h2>",
            _table(("currency", "indicator", "records", "amount"), (list(row.values()) for row in gone)),
            f"<h2>What raw keeps</h2><p>{escape(kept)}</p>",
        ]
        return (_HEAD.format(title=escape(f"Erasure {self.id}")) + "\n".join(parts) + "\n</html>\n").encode()


_HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}}
table{{border-collapse:collapse}}td,th{{border:1px solid #bbb;padding:.2em .6em;text-align:left}}</style>
"""


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [f"<tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr>"] if head else []
    lines += [f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows]
    return f"<table>{''.join(lines)}</table>" if len(lines) > bool(head) else "<p>none</p>"
