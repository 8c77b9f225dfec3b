"""Lists, reads and puts objects.

Many bodies are read at the same time: one by one, the hundred thousand objects of a run would take an hour.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import unquote

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef

Outcome = TypeVar("Outcome")

# At most this many bodies are being fetched or waiting to be used, which bounds memory.
_AHEAD = 16
_LARGE_AHEAD = 4


def entries(s3: S3Client, bucket: str, prefix: str) -> Iterator[ObjectTypeDef]:
    """ListObjectsV2's entry of each object below a prefix (Key, Size, ETag, LastModified), in S3's order."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", [])


class Summary(NamedTuple):
    """An object as a listing shows it. modified: ISO 8601 in UTC, to the second, so that texts compare as times do."""

    key: str
    size: int
    etag: str
    modified: str


class Page(NamedTuple):
    """A page of a listing. entries: its XML, from which the rest is read when it is asked for."""

    keys: list[str]
    entries: bytes

    def summaries(self) -> list[Summary]:
        """Its objects, in order."""
        sizes, etags, times = (pattern.findall(self.entries) for pattern in (_SIZES, _ETAGS, _TIMES))
        columns = zip(self.keys, sizes, etags, times, strict=True)
        return [Summary(key, int(size), etag.decode(), modified.decode()) for key, size, etag, modified in columns]


def pages(s3: S3Client, bucket: str, prefix: str) -> Generator[Page]:
    """The objects below a prefix, page by page, in S3's order.

    For listings of hundreds of thousands: botocore's parser takes 70 times longer for a page.
    """
    # First, and by a wildcard: else botocore's own handler, which parses the body to look for an error, comes before.
    s3.meta.events.register_first(_LISTED, _read_lightly, unique_id=_read_lightly.__qualname__)
    following: dict[str, Any] = {}
    while True:
        token = _light.set(True)
        try:
            answer: Any = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, EncodingType="url", **following)
        finally:
            _light.reset(token)
        yield answer.get(_PAGE) or _written_anew(answer.get("Contents", []))
        if not answer.get("IsTruncated"):
            return
        following = {"ContinuationToken": answer["NextContinuationToken"]}


_LISTED = "before-parse.*.ListObjectsV2"
_PAGE = "Page"
_light: ContextVar[bool] = ContextVar("light", default=False)  # whether this thread's current listing is read lightly
_KEYS = re.compile(rb"<Key>([^<]*)</Key>")
_SIZES = re.compile(rb"<Size>(\d+)</Size>")
_ETAGS = re.compile(rb"<ETag>(?:&quot;|&#34;|\")?([^<&\"]*)(?:&quot;|&#34;|\")?</ETag>")
_TIMES = re.compile(rb"<LastModified>([^<]{19})[^<]*</LastModified>")


def _read_lightly(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any] | None = None, **_: Any
) -> None:
    """Take the entries out of a listing's XML before botocore parses it. What looks otherwise is left to botocore.

    A botocore that does not have this event yet parses them, which only takes longer.
    """
    if customized_response_dict is None or not _light.get() or response_dict["status_code"] != 200:
        return
    body = response_dict["body"]
    begin, end = body.find(b"<Contents>"), body.rfind(b"</Contents>") + len(b"</Contents>")
    entries = body[begin:end] if begin >= 0 else b""
    found = _KEYS.findall(entries)
    if not found or len(found) != entries.count(b"<Contents>"):
        return
    encoded = b"\n".join(found).decode().replace("%3D", "=")  # all of the URL encoding that this platform's keys need
    keys = [unquote(key) if "%" in key else key for key in encoded.split("\n")]
    customized_response_dict[_PAGE] = Page(keys, entries)
    response_dict["body"] = body[:begin] + body[end:]


def _written_anew(contents: list[dict[str, Any]]) -> Page:
    """A page of what botocore has parsed."""
    rows = [
        f"<Size>{entry['Size']}</Size><ETag>{entry['ETag']}</ETag>"
        f"<LastModified>{entry['LastModified'].isoformat()}</LastModified>"
        for entry in contents
    ]
    return Page([unquote(entry["Key"]) for entry in contents], "".join(rows).encode())


def keys(s3: S3Client, bucket: str, prefix: str) -> Iterator[str]:
    """The keys below a prefix, in S3's order."""
    return (entry["Key"] for entry in entries(s3, bucket, prefix))


def folders(s3: S3Client, bucket: str, prefix: str, start_after: str = "") -> list[str]:
    """The prefixes one level below a prefix, behind start_after; each ends in a slash."""
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, Delimiter="/", StartAfter=start_after
    )
    return [common["Prefix"] for page in pages for common in page.get("CommonPrefixes", [])]


def bodies(s3: S3Client, bucket: str, wanted: Iterable[str]) -> Generator[tuple[str, bytes]]:
    """Key and body of each object, in the order of the keys."""
    return calls_ahead(body, ((key, (s3, bucket, key)) for key in wanted), _AHEAD, _AHEAD)


def large_bodies(s3: S3Client, locations: Iterable[str]) -> Generator[bytes]:
    """The body of each object, in the order of the locations (s3://bucket/key). Fewer are held than by bodies()."""
    wanted = ((each, (s3, *split_location(each))) for each in locations)
    return (found for _, found in calls_ahead(body, wanted, _LARGE_AHEAD, _LARGE_AHEAD))


def calls_ahead(
    call: Callable[..., Outcome], wanted: Iterable[tuple[str, tuple[Any, ...]]], threads: int, most: int
) -> Generator[tuple[str, Outcome]]:
    """Name and outcome of a call with each of these arguments, in their order. wanted: name, arguments.

    Threads make further calls meanwhile; most: so many are made or wait to be used, which bounds memory.
    """
    ahead: deque[tuple[str, Future[Outcome]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for name, arguments in wanted:
            ahead.append((name, pool.submit(call, *arguments)))
            if len(ahead) == most:
                first, made = ahead.popleft()
                yield first, made.result()
        for name, made in ahead:
            yield name, made.result()


def body(s3: S3Client, bucket: str, key: str) -> bytes:
    """An object's body."""
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


_EVENT = "before-call.s3.PutObject"
# 412: another put came first. 409: another put is under way.
_REFUSED = ("PreconditionFailed", "ConditionalRequestConflict")
# The conditional headers of this thread's current put. Other puts on the same client must not get them.
_condition: ContextVar[dict[str, str]] = ContextVar("condition")


def put_if_absent(s3: S3Client, bucket: str, key: str, body: bytes, instead_of: str | None = None) -> bool:
    """Put a JSON object if there is none, or in place of the version with this ETag; whether body is stored there now.

    body must be unique: an equal stored body proves that our first put succeeded, though its answer was lost.
    """
    condition = {"If-Match": instead_of} if instead_of else {"If-None-Match": "*"}
    # boto3 has these parameters only from 1.35 on, and Glue brings its own boto3. A header works with every version.
    s3.meta.events.register(_EVENT, _add_condition, unique_id=_add_condition.__qualname__)
    token = _condition.set(condition)
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
    except ClientError as error:
        if error.response["Error"]["Code"] not in _REFUSED:
            raise
        return _holds(s3, bucket, key, body)
    finally:
        _condition.reset(token)
    return True


def _add_condition(params: dict[str, Any], **_: Any) -> None:
    params["headers"].update(_condition.get({}))


def _holds(s3: S3Client, bucket: str, key: str, body: bytes) -> bool:
    try:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return False


def split_location(location: str) -> tuple[str, str]:
    """Bucket and key of an s3:// location."""
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return bucket, key
