"""Plans runs: which raw objects a run processes, fixed before it starts. Pure.

A run is identified by its manifest. After any kill the manifest remains, and the next run of the job finishes it before
it makes its own. An object is in one manifest only, identified by its key: a retried batch writes the same key again,
with another ETag under SSE-KMS.

Pending are the raw zone's objects that no manifest holds. Both sets stay bounded however old the lake is, because a
record can land only while the stream still keeps it: once a run has taken everything pending, partitions that were
older than the stream's retention at that time are complete, and neither they nor the manifests from before are read
again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from data_catalog.lake_layout import Coverage, arrival_of, batch_of

# The most that a run takes; the rest stays pending for the next run. 16 GiB of gzip are some 100 million rows.
MAX_OBJECTS = 100_000
MAX_BYTES = 16 * 1024**3

# How far the clocks of Kinesis, S3 and the job may differ. A batch is filed under the arrival of its first record.
_CLOCK_SLACK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RawObject:
    """An object of the raw zone. size in bytes, as stored."""

    key: str
    size: int
    etag: str

    @property
    def order(self) -> tuple[str, tuple[str, str, int, int], str]:
        """Sort key: arrival, shard and sequence; objects that no batch wrote come last."""
        batch = batch_of(self.key)
        return ("T".join(arrival_of(self.key)), batch, self.key) if batch else (self.key, ("", "", 0, 0), self.key)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A run's fixed input.

    objects: the raw objects that it processes, in order of arrival, shard and sequence. earlier: objects of former runs
    whose ranges overlap one of these, read again only for the positions that were processed then. listed_from: the
    arrival date from which raw was listed, None for all. exhausted: the run takes everything that was pending.
    """

    run_id: str
    created_at: datetime
    objects: tuple[RawObject, ...]
    earlier: tuple[RawObject, ...] = ()
    listed_from: date | None = None
    exhausted: bool = True

    @property
    def size(self) -> int:
        """Bytes of its objects, as stored."""
        return sum(raw.size for raw in self.objects)

    def to_json(self) -> bytes:
        """Its stored form."""
        document = {
            "run_id": self.run_id,
            "created_at": self.created_at.isoformat(),
            "listed_from": self.listed_from.isoformat() if self.listed_from else None,
            "exhausted": self.exhausted,
            "objects": [_row(raw) for raw in self.objects],
            "earlier": [_row(raw) for raw in self.earlier],
        }
        return json.dumps(document, indent=0).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """What to_json wrote."""
        document = json.loads(data)
        listed_from = document["listed_from"]
        return cls(
            run_id=document["run_id"],
            created_at=datetime.fromisoformat(document["created_at"]),
            objects=tuple(RawObject(**row) for row in document["objects"]),
            earlier=tuple(RawObject(**row) for row in document["earlier"]),
            listed_from=date.fromisoformat(listed_from) if listed_from else None,
            exhausted=document["exhausted"],
        )


def _row(raw: RawObject) -> dict[str, Any]:
    return {"key": raw.key, "size": raw.size, "etag": raw.etag}


def run_id(objects: Iterable[RawObject]) -> str:
    """The first 16 hex digits of SHA-256 over the sorted keys and ETags: the same objects, the same run."""
    lines = sorted(f"{raw.key}\t{raw.etag}\n" for raw in objects)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def list_from(manifests: Iterable[Manifest], retention: timedelta) -> date | None:
    """The arrival date from which the raw zone must be listed; None: from its beginning.

    Rises with each run that left nothing pending, and never falls.
    """
    complete = [manifest for manifest in manifests if manifest.exhausted]
    if not complete:
        return None
    return (max(manifest.created_at for manifest in complete) - retention - _CLOCK_SLACK).date()


def plan(
    listing: Iterable[RawObject],
    manifests: Sequence[Manifest],
    created_at: datetime,
    listed_from: date | None = None,
    max_objects: int = MAX_OBJECTS,
    max_bytes: int = MAX_BYTES,
) -> Manifest | None:
    """The next run's manifest; None if nothing is pending. The oldest arrivals come first.

    listing: the raw zone's objects from listed_from on; manifests: at least those that hold any of them.
    """
    taken = {raw.key for manifest in manifests for raw in manifest.objects}
    listing = list(listing)
    pending = sorted((raw for raw in listing if raw.key not in taken), key=lambda raw: raw.order)
    chosen = _within(pending, max_objects, max_bytes)
    if not chosen:
        return None
    return Manifest(
        run_id=run_id(chosen),
        created_at=created_at,
        objects=tuple(chosen),
        earlier=tuple(overlapping(chosen, [raw for raw in listing if raw.key in taken])),
        listed_from=listed_from,
        exhausted=len(chosen) == len(pending),
    )


def _within(pending: Sequence[RawObject], max_objects: int, max_bytes: int) -> list[RawObject]:
    """As many objects from the front as the limits allow, at least one."""
    chosen: list[RawObject] = []
    size = 0
    for raw in pending[:max_objects]:
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
