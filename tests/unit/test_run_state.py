"""The state of runs, read at the same time, because a listing may need hundreds of manifests."""

from __future__ import annotations

import io
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from data_processing.manifest import Manifest, RawObject
from data_processing.run_state import Listed, RunState

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
_AT_ONCE = 8


class SideBySide:
    """An S3 whose reads return only when this many are under way; a reader that reads one by one gets an error."""

    def __init__(self) -> None:
        self._under_way = threading.Barrier(_AT_ONCE, timeout=30)
        self.read: list[str] = []

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        self._under_way.wait()
        self.read.append(Key)
        run_id = Key.split("/")[1]
        manifest = Manifest(run_id, NOW, (RawObject(f"raw/{run_id}", 1, "etag"),))
        return {"Body": io.BytesIO(manifest.to_json()), "ETag": "etag"}


def test_manifests_are_read_side_by_side_and_once() -> None:
    s3: Any = SideBySide()
    state = RunState(s3, "curated")
    runs = {f"{number:016}": Listed(NOW - timedelta(minutes=15 * number), True) for number in range(2 * _AT_ONCE)}
    manifests = state.recent_manifests(runs, timedelta(days=7))
    assert sorted(manifest.run_id for manifest in manifests) == sorted(runs)
    assert state.recent_manifests(runs, timedelta(days=7)) == manifests
    assert len(s3.read) == len(runs)
