"""A run's fixed input: which raw objects a run processes. Pure.

A run is identified by its manifest. After any kill the manifest remains, and the next run of the job finishes it before
it makes its own. An object is in one manifest only, identified by its key: a retried batch writes the same key again,
with another ETag under SSE-KMS. What is pending, data_processing/planning.py finds out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from data_catalog.lake_layout import LANDING_QUARANTINE_PREFIX, RAW_TRANSACTIONS_PREFIX, Coverage, arrival_of, batch_of

# The most that a run takes; the rest stays pending for the next run. 16 GiB of gzip are some 100 million rows.
MAX_OBJECTS = 100_000
MAX_BYTES = 16 * 1024**3


class RawObject(NamedTuple):
    """An object that the landing wrote, of raw or of quarantine. size in bytes, as stored."""

    key: str
    size: int
    etag: str

    @property
    def hour(self) -> str:
        """The prefix of its arrival hour, two folders below that of all raw objects; of quarantine, of the arrival
        date."""
        if self.is_quarantine:
            return self.key[: self.key.index("/", len(LANDING_QUARANTINE_PREFIX)) + 1]
        return self.key[: self.key.index("/", self.key.index("/", len(RAW_TRANSACTIONS_PREFIX)) + 1) + 1]

    @property
    def is_quarantine(self) -> bool:
        return self.key.startswith(LANDING_QUARANTINE_PREFIX)

    @property
    def order(self) -> tuple[str, tuple[str, str, int, int], str]:
        """Sort key: arrival, shard and sequence; objects that no batch wrote come last."""
        batch = batch_of(self.key)
        return ("T".join(arrival_of(self.key)), batch, self.key) if batch else (self.key, ("", "", 0, 0), self.key)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A run's fixed input.

    objects: the raw objects that it processes, in order of arrival, shard and sequence. earlier: objects of former runs
    whose ranges overlap one of these, read again only for the positions that were processed then. quarantined: what
    the landing refused, which goes into the quarantine table. exhausted: the run takes everything that was pending.
    """

    run_id: str
    created_at: datetime
    objects: tuple[RawObject, ...]
    earlier: tuple[RawObject, ...] = ()
    exhausted: bool = True
    quarantined: tuple[RawObject, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of its raw objects, as stored."""
        return sum(raw.size for raw in self.objects)

    @property
    def taken(self) -> tuple[RawObject, ...]:
        """All that no other run takes."""
        return self.objects + self.quarantined

    def to_json(self) -> bytes:
        """Its stored form."""
        document = {
            "run_id": self.run_id,
            "created_at": self.created_at.isoformat(),
            "exhausted": self.exhausted,
            "objects": [raw._asdict() for raw in self.objects],
            "earlier": [raw._asdict() for raw in self.earlier],
            "quarantined": [raw._asdict() for raw in self.quarantined],
        }
        return json.dumps(document, indent=0).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """What to_json wrote."""
        document = json.loads(data)
        return cls(
            run_id=document["run_id"],
            created_at=datetime.fromisoformat(document["created_at"]),
            objects=tuple(RawObject(**row) for row in document["objects"]),
            earlier=tuple(RawObject(**row) for row in document["earlier"]),
            exhausted=document["exhausted"],
            quarantined=tuple(RawObject(**row) for row in document.get("quarantined", [])),
        )


def run_id(objects: Iterable[RawObject], created_at: datetime) -> str:
    """The month, and 16 hex digits of SHA-256 over the sorted keys and ETags: the same objects, the same run."""
    lines = sorted(f"{raw.key}\t{raw.etag}\n" for raw in objects)
    return f"{created_at:%Y-%m}-{hashlib.sha256(''.join(lines).encode()).hexdigest()[:16]}"


def oldest(pending: Iterable[RawObject], max_objects: int = MAX_OBJECTS, max_bytes: int = MAX_BYTES) -> list[RawObject]:
    """As many objects from the oldest arrival on as the limits allow, at least one."""
    chosen: list[RawObject] = []
    size = 0
    for raw in sorted(pending, key=lambda raw: raw.order)[:max_objects]:
        size += raw.size
        if chosen and size > max_bytes:
            break
        chosen.append(raw)
    return chosen


def overlapping(objects: Iterable[RawObject], others: Iterable[RawObject]) -> list[RawObject]:
    """Those of the others, by key, whose range of sequence numbers overlaps one of the objects' in the same shard."""
    coverage = Coverage(batch for raw in objects if (batch := batch_of(raw.key)))
    found = (raw for raw in others if (batch := batch_of(raw.key)) and coverage.met_by(batch))
    return sorted(found, key=lambda raw: raw.key)


def bundles(objects: Sequence[RawObject], target_bytes: int) -> list[list[RawObject]]:
    """Groups of neighbouring objects of about target_bytes, each read as one file; a larger object is alone."""
    groups: list[list[RawObject]] = []
    size = 0
    for raw in objects:
        if not groups or size + raw.size > target_bytes:
            groups.append([])
            size = 0
        groups[-1].append(raw)
        size += raw.size
    return groups
