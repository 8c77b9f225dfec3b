"""Plans the next run: what is pending in the raw zone, and which of it the run takes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import NamedTuple, Protocol

from data_processing.manifest import MAX_BYTES, MAX_OBJECTS, Manifest, RawObject, oldest, overlapping, run_id
from data_processing.run_state import RunState
from data_processing.taken import Taken


class Listing(NamedTuple):
    """The objects of an arrival hour. digest: of their keys. objects: None if the digest was known already."""

    prefix: str
    digest: str
    objects: list[RawObject] | None


class RawZone(Protocol):
    """The raw zone's arrival hours."""

    def hours(self, since: date | None) -> list[str]:
        """The prefixes of the hours from an arrival date on (None: of all)."""
        ...

    def listings(self, known: dict[str, str]) -> Iterator[Listing]:
        """The objects of these hours, in order. known: by prefix the digest of the keys that the hour is known to have,
        "" if none is."""
        ...


class Manifests(Protocol):
    """The manifests of runs."""

    def keys_of(self, run_ids: set[str], hour: str) -> set[str]:
        """The keys that these runs have taken of an arrival hour."""
        ...


class Plan(NamedTuple):
    """The next run's manifest, None if nothing is pending; and the digests of the hours in which nothing is left
    pending, once the manifest is written."""

    manifest: Manifest | None
    emptied: dict[str, str]


def next_manifest(zone: RawZone, state: RunState, retention: timedelta, now: datetime) -> Manifest | None:
    """Plan the next run and fix its manifest; None if nothing is pending. now: taken before anything is listed, so that
    the next plan finds what lands meanwhile."""
    taken = state.taken()
    planned = plan(zone, state, taken, retention, now)
    if planned.manifest is not None:
        state.write_manifest(planned.manifest)
        taken.add(planned.manifest)
    if planned.emptied:
        taken.checked(planned.emptied, now)
        state.keep_taken(taken, retention, now)
    return planned.manifest


def plan(
    zone: RawZone,
    manifests: Manifests,
    taken: Taken,
    retention: timedelta,
    created_at: datetime,
    max_objects: int = MAX_OBJECTS,
    max_bytes: int = MAX_BYTES,
) -> Plan:
    """Plan the next run. The oldest arrivals come first. created_at is taken before anything is listed."""
    due = taken.due(zone.hours(taken.since), retention, created_at)
    pending: list[RawObject] = []
    listed: dict[str, str] = {}
    left = max_bytes
    for hour in zone.listings({prefix: taken.hours[prefix].listing for prefix in due}):
        listed[hour.prefix] = hour.digest
        if hour.objects is not None:
            held = manifests.keys_of(taken.hours[hour.prefix].runs, hour.prefix)
            new = [raw for raw in hour.objects if raw.key not in held]
            pending += new
            left -= sum(raw.size for raw in new)
            if len(hour.objects) - len(new) < len(held):  # something that was taken is gone
                listed[hour.prefix] = ""
        if len(pending) > max_objects or left < 0:
            break
    chosen = oldest(pending, max_objects, max_bytes)
    waiting = {raw.hour for raw in set(pending).difference(chosen)}
    emptied = {prefix: digest for prefix, digest in listed.items() if prefix not in waiting}
    if not chosen:
        return Plan(None, emptied)
    objects = [raw for raw in chosen if not raw.is_quarantine]
    manifest = Manifest(
        run_id=run_id(chosen, created_at),
        created_at=created_at,
        objects=tuple(objects),
        earlier=tuple(_earlier(zone, manifests, taken, objects)),
        quarantined=tuple(raw for raw in chosen if raw.is_quarantine),
        exhausted=len(emptied) == len(due),
    )
    return Plan(manifest, emptied)


def _earlier(zone: RawZone, manifests: Manifests, taken: Taken, chosen: list[RawObject]) -> list[RawObject]:
    """The objects of former runs whose ranges overlap one of the chosen ones, as they lie there now."""
    found: list[RawObject] = []
    for hour in zone.listings(dict.fromkeys(taken.overlapping_hours(chosen), "")):
        held = manifests.keys_of(taken.hours[hour.prefix].runs, hour.prefix)
        found += overlapping(chosen, (raw for raw in hour.objects or () if raw.key in held))
    return sorted(found)
