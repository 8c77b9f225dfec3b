"""Which accounts were erased, so that nothing brings them back: keyed hashes, never the accounts themselves.

The hash is HMAC-SHA256 under a random key of the document's own. Key and hashes lie in one object of the curated
bucket, encrypted by the data key, because the Glue job asks them of each row and has no access to the tokenisation
secret. Somebody who has read the object can find out whether an account number that he already has was erased, and can
try out all numbers of a form; without the object a hash tells nothing.

Standard library only: the Glue job and the replay bring it along.
"""

from __future__ import annotations

import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from data_catalog.lake_layout import TOMBSTONES_KEY
from infrastructure.aws.s3_objects import put_if_absent
from infrastructure.errors import PlatformError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MASK = "ERASED"  # stands where an erased account was another one's counterparty
_ATTEMPTS = 5
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Tombstones:
    """The erased accounts. accounts: the hash of each, and the day on which its erasure began."""

    key: bytes
    accounts: dict[str, date]

    def hash_of(self, account: str) -> str:
        return hmac.digest(self.key, account.encode(), "sha256").hex()

    def holds(self, account: str | None) -> bool:
        """Whether the account was erased."""
        return account is not None and self.hash_of(account) in self.accounts

    def with_account(self, account: str, today: date) -> Tombstones:
        return Tombstones(self.key, {self.hash_of(account): today} | self.accounts)

    def to_json(self) -> bytes:
        accounts = {hashed: day.isoformat() for hashed, day in sorted(self.accounts.items())}
        return json.dumps({"key": self.key.hex(), "accounts": accounts}, indent=0).encode()

    @classmethod
    def from_json(cls, body: bytes) -> Tombstones:
        document = json.loads(body)
        accounts = {hashed: date.fromisoformat(day) for hashed, day in document["accounts"].items()}
        return cls(bytes.fromhex(document["key"]), accounts)


def read_tombstones(s3: S3Client, curated_bucket: str) -> Tombstones | None:
    """None if no account was erased yet."""
    return _read(s3, curated_bucket)[0]


def add_tombstone(s3: S3Client, curated_bucket: str, account: str, today: date) -> Tombstones:
    """Enter an account; all tombstones. The key is made with the first one. An account that is there keeps its day."""
    for _ in range(_ATTEMPTS):
        known, etag = _read(s3, curated_bucket)
        if known and known.holds(account):
            return known
        wanted = (known or Tombstones(secrets.token_bytes(_KEY_BYTES), {})).with_account(account, today)
        if put_if_absent(s3, curated_bucket, TOMBSTONES_KEY, wanted.to_json(), etag):
            return wanted
    raise PlatformError(
        f"s3://{curated_bucket}/{TOMBSTONES_KEY}", "was changed by others each time", "Run the same command again"
    )


def masked_form(account: str) -> str:
    """The account as people may see it: its last four characters. A short one shows less."""
    shown = account[-4:] if len(account) > 8 else account[-1:]
    return "*" * (len(account) - len(shown)) + shown


def _read(s3: S3Client, curated_bucket: str) -> tuple[Tombstones | None, str | None]:
    """The tombstones, and the ETag of the object that they lie in."""
    try:
        found = s3.get_object(Bucket=curated_bucket, Key=TOMBSTONES_KEY)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "404"):
            raise
        return None, None
    return Tombstones.from_json(found["Body"].read()), found["ETag"]
