"""Keeps erased accounts from coming back: their rows end as erased, and where one is a counterparty it is masked. Pure.

The batch's accounts are compared by their keyed hash (data_governance/tombstones.py), computed by Spark's own SHA-256.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from data_catalog.transaction_contract import LANDED_FIELDS, POSITION, typed_columns
from data_governance.tombstones import MASK, Tombstones
from data_processing.transformations import ERASED

_BLOCK_BYTES = 64  # of SHA-256
_INNER, _OUTER = (bytes(each ^ pad for each in range(256)) for pad in (0x36, 0x5C))
# What is left of an erased row: what it counts for, and where it stood.
_KEPT = (*POSITION, "arrival_time", "landed_at", "currency", "credit_debit_indicator", "amount")


def without_erased(rows: DataFrame, tombstones: Tombstones) -> DataFrame:
    """The rows of typed(), those of erased accounts with the reason ERASED and nothing but what they count for.

    Before decided(): an erased row has an identity of its own, so that no other row is compared with it. After
    typed(): the content hash of a masked row is still that of what was sent, so a duplicate of it is known as one.
    """
    is_erased = _is_erased(F.col("account_id"), tombstones)
    is_counterparty = _is_erased(F.col("counterparty_account"), tombstones)
    identity = F.concat_ws("/", F.lit("\u0001"), *(F.col(name).cast("string") for name in POSITION))
    # A row at fault has its line as its description.
    line = F.replace("description", "counterparty_account", F.lit(MASK))
    counterparty = F.when(is_counterparty, MASK).otherwise(F.col("counterparty_account"))
    description = F.when(is_counterparty & F.col("reason").isNotNull(), line).otherwise(F.col("description"))
    instead = {
        "transaction_id": F.when(is_erased, identity).otherwise(F.col("transaction_id")),
        "counterparty_account": F.when(~is_erased, counterparty),
        "description": F.when(~is_erased, description),
        "content_hash": F.when(~is_erased, F.col("content_hash")),
        "reason": F.when(is_erased, ERASED).otherwise(F.col("reason")),
    }
    kept = {name: F.when(~is_erased, F.col(name)) for name, _ in typed_columns(LANDED_FIELDS) if name not in _KEPT}
    columns = {name: F.col(name) for name in rows.columns} | kept | instead
    return rows.select(*(column.alias(name) for name, column in columns.items()))


def refused_without_erased(rows: DataFrame, tombstones: Tombstones) -> DataFrame:
    """What the landing refused, without the records of erased accounts. They are counted where they landed."""
    account, counterparty = (
        F.get_json_object("payload", f"$.{name}") for name in ("account_id", "counterparty_account")
    )
    payload = F.when(_is_erased(counterparty, tombstones), F.replace("payload", counterparty, F.lit(MASK)))
    kept = rows.where(~_is_erased(account, tombstones))
    return kept.withColumn("payload", F.coalesce(payload, "payload"))


def _is_erased(account: Column, tombstones: Tombstones) -> Column:
    """HMAC-SHA256 by its definition (RFC 2104)."""
    key = tombstones.key.ljust(_BLOCK_BYTES, b"\0")
    inner, outer = (F.lit(bytearray(key.translate(pad))) for pad in (_INNER, _OUTER))
    hashed = F.sha2(F.concat(outer, F.unhex(F.sha2(F.concat(inner, account.cast("binary")), 256))), 256)
    return F.coalesce(hashed.isin(*tombstones.accounts), F.lit(False))
