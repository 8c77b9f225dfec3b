"""A lake of any age, as an S3 endpoint that makes it up: 350,000 raw objects a day, a run every quarter of an hour.

    python benchmarks/growing_lake.py RUNS PORT-FILE [full-reach]    # serves until it is ended

Raw listings, manifests and the listing of runs follow from the number of former runs alone, so nothing is stored but
what the job puts. It answers as much of S3 as planning calls, and runs beside the measured process, not in it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

from data_catalog.lake_layout import RAW_TRANSACTIONS_PREFIX, TAKEN_KEY, Batch, run_key
from data_processing.manifest import Manifest, RawObject
from data_processing.taken import Taken

OBJECTS_A_DAY = 350_000
RAW_BUCKET, CURATED_BUCKET, QUARANTINE_BUCKET = "raw-bucket", "curated-bucket", "quarantine-bucket"
EVERY = timedelta(minutes=15)
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
RETENTION = timedelta(days=7)
_SHARDS = 20
_A_SHARD_AND_RUN = round(OBJECTS_A_DAY / _SHARDS / (timedelta(days=1) / EVERY))
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_PAGE = 1000
# What a run leaves in its folder.
_DOCUMENTS = (
    "copy_curated.manifest",
    "copy_pending_transactions.manifest",
    "manifest.json",
    "publish.json",
    "result.json",
)


def landed(begin: datetime, end: datetime) -> Iterator[RawObject]:
    """What landed in a span within one arrival hour, in the order of its keys: the same from each shard."""
    first, last = (round((each.timestamp()) / EVERY.total_seconds() * _A_SHARD_AND_RUN) for each in (begin, end))
    for shard in range(_SHARDS):
        for number in range(first, last):
            sequence = 49_600_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000 * 100 + number * 5000
            batch = Batch("20260101T000000Z", f"shardId-{shard:012}", sequence, sequence + 4999)
            yield RawObject(batch.raw_key(begin), 100_000, f"{number:032x}")


class Lake:
    """A lake in which so many runs were made, the last of them a quarter of an hour ago."""

    def __init__(self, runs: int) -> None:
        self.runs = [NOW - number * EVERY for number in range(runs, 0, -1)]
        self.began = self.runs[0] - EVERY
        self.put: dict[str, bytes] = {}
        documents = (run_key(self.run_id(at), name) for at in self.runs for name in _DOCUMENTS)
        self.documents = sorted(documents)

    @staticmethod
    def run_id(at: datetime) -> str:
        return f"{at:%Y-%m}-{hashlib.sha256(at.isoformat().encode()).hexdigest()[:16]}"

    def manifest(self, at: datetime) -> Manifest:
        return Manifest(self.run_id(at), at, tuple(landed(at - EVERY, at)))

    def hours(self) -> Iterator[datetime]:
        begin = self.began.replace(minute=0)
        while begin < NOW:
            yield begin
            begin += _HOUR

    def raw_hour(self, begin: datetime, until: datetime = NOW) -> list[RawObject]:
        return list(landed(max(begin, self.began), min(begin + _HOUR, until)))

    def summary(self, full_reach: bool) -> Taken:
        """What the last run's plan has kept. full_reach: no hour was looked at for a day, so that all are due."""
        last = self.runs[-1]
        taken = Taken()
        taken.runs = {self.run_id(at) for at in self.runs}
        for begin in self.hours():
            if begin.date() < (last - RETENTION - timedelta(days=1)).date():
                continue
            objects = tuple(self.raw_hour(begin, last))
            if not objects:
                continue
            taken.add(Manifest("of this hour", last, objects))
            hour = taken.hours[objects[0].hour]
            hour.runs = {self.run_id(at) for at in self.runs if begin <= at - EVERY < begin + _HOUR}
            hour.listing = hashlib.sha256("".join(f"{raw.key}\n" for raw in objects).encode()).hexdigest()
            age = last - begin - _HOUR
            looked_at = last - age % _DAY if age > 2 * _DAY else last  # once a day when it is older than two
            hour.checked_at = last - 2 * _DAY if full_reach else looked_at
        taken.runs.discard("of this hour")
        taken.settle(RETENTION, last, [])
        return taken

    def body(self, key: str) -> bytes | None:
        if key in self.put:
            return self.put[key]
        for at in self.runs:
            if key == run_key(self.run_id(at), "manifest.json"):
                return self.manifest(at).to_json()
        return None


class Endpoint(BaseHTTPRequestHandler):
    """GET, PUT and ListObjectsV2 of the lake."""

    protocol_version = "HTTP/1.1"
    lake: Lake

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        if "list-type" in query:
            self._answer(200, self._listing(bucket, query))
            return
        body = self.lake.body(key)
        if body is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>")
        else:
            self._answer(200, body)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.lake.put[unquote(urlsplit(self.path).path).lstrip("/").partition("/")[2]] = body
        self._answer(200, b"")

    def _listing(self, bucket: str, query: dict[str, str]) -> bytes:
        prefix, start = query["prefix"], query.get("continuation-token") or query.get("start-after", "")
        if query.get("delimiter"):
            found = _folders(self._keys(bucket, prefix, folders=True), prefix, start)
            rows = "".join(f"<CommonPrefixes><Prefix>{quote(each)}</Prefix></CommonPrefixes>" for each in found)
            return _page(rows, "")
        keys = self._keys(bucket, prefix, folders=False)
        begin = bisect_right(keys, start)
        page = keys[begin : begin + _PAGE]
        more = page[-1] if begin + _PAGE < len(keys) else ""
        return _page("".join(map(_entry, page)), more)

    def _keys(self, bucket: str, prefix: str, folders: bool) -> list[str]:
        if bucket == QUARANTINE_BUCKET:
            return []
        if bucket == CURATED_BUCKET:
            return [key for key in sorted([*self.lake.documents, *self.lake.put]) if key.startswith(prefix)]
        hours = {
            f"{RAW_TRANSACTIONS_PREFIX}{each:arrival_date=%Y-%m-%d/arrival_hour=%H/}": each
            for each in self.lake.hours()
        }
        if folders:
            return [f"{hour}object" for hour in hours if hour.startswith(prefix)]
        return _hour_keys(self.lake, hours[prefix])

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"etag"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@cache
def _hour_keys(lake: Lake, begin: datetime) -> list[str]:
    return [raw.key for raw in lake.raw_hour(begin)]


def _folders(keys: list[str], prefix: str, start: str) -> list[str]:
    found = {f"{prefix}{key[len(prefix) :].split('/', 1)[0]}/" for key in keys if "/" in key[len(prefix) :]}
    return sorted(each for each in found if each > start)


def _entry(key: str) -> str:
    return (
        f"<Contents><Key>{quote(key)}</Key><LastModified>2026-11-24T11:00:00.000Z</LastModified>"
        "<ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><ChecksumAlgorithm>CRC32</ChecksumAlgorithm>"
        "<ChecksumType>FULL_OBJECT</ChecksumType><Size>100000</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


def _page(rows: str, more: str) -> bytes:
    token = f"<NextContinuationToken>{more}</NextContinuationToken>" if more else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<EncodingType>url</EncodingType>{token}<MaxKeys>1000</MaxKeys><IsTruncated>{'true' if more else 'false'}"
        f"</IsTruncated>{rows}</ListBucketResult>"
    ).encode()


def main() -> None:
    lake = Lake(int(sys.argv[1]))
    lake.put[TAKEN_KEY] = lake.summary(sys.argv[3:] == ["full-reach"]).to_json()
    Endpoint.lake = lake
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    Path(sys.argv[2]).write_text(json.dumps(server.server_port))
    server.serve_forever()


if __name__ == "__main__":
    main()
