"""Raw lines -> what becomes of each: ledger, pending, duplicate, redelivered, quarantine, erased. On DataFrames; pure.

    lines -> parsed -> typed -> without_erased (erased_rows.py) -> decided -> staged

One scan and one write: every row ends in one staged table, partitioned by what became of it. Its columns are those of
the curated table, so its curated files are final without rewriting. A row at fault carries its fault and its line in
`description` until quarantine_rows() takes them out again.

Runs on Spark 3.5 and 4 (ANSI mode): nothing here relies on a failing cast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from data_catalog.content_hash import CONTENT_FIELDS
from data_catalog.content_hash import SEPARATOR as HASH_SEPARATOR
from data_catalog.lake_layout import DAYS_AHEAD, EARLIEST_ARRIVAL
from data_catalog.landed_form import LINE, SEPARATOR, VALUES
from data_catalog.transaction_contract import (
    CURATED_FIELDS,
    FIRST_VERSION,
    LANDED_FIELDS,
    POSITION,
    QUARANTINE_FIELDS,
    REPLACED,
    TRANSACTION_ID_FIELDS,
    Field,
    Type,
    json_columns,
    spark_ddl,
    typed_columns,
)
from data_processing import row_checks
from data_processing.account_schemes import account_scheme

LEDGER, PENDING = "ledger", "pending"
DUPLICATE, REDELIVERED, QUARANTINE, ERASED = "duplicate", "redelivered", "quarantine", "erased"
# Both are curated: final states, each transaction once, and every distinct put of a pending item.
CURATED = (LEDGER, PENDING)
DISPOSITIONS = (*CURATED, DUPLICATE, REDELIVERED, QUARANTINE, ERASED)
LINKING = (*CURATED, DUPLICATE)  # rows whose two card tokens belong to one card
# Partition columns of the staged table: what became of the row; its event date, or the reason of its quarantine.
STAGED_PARTITIONS = ("disposition", "slice")
STAGE = "etl"

_LANDED = tuple(field.name for field in LANDED_FIELDS)
_TYPES = dict(typed_columns(LANDED_FIELDS))
_LANDED_SCHEMA = spark_ddl(json_columns(LANDED_FIELDS))
_PARTS = ", ".join(
    f"'{name}', CAST(nullif(parts[{number}], '') AS {type_})"
    for number, (name, type_) in enumerate(json_columns(LANDED_FIELDS), 1)
)
_ROW_OF_PARTS = f"named_struct({_PARTS})"
# Characters of a refused record that the table keeps: what a VARCHAR of the warehouse holds, in UTF-8. The landing's
# object has it whole.
_LONGEST_PAYLOAD = 16_000
_REPLACED_AND_OWN = tuple(zip(REPLACED, POSITION, strict=True))
CONFLICT = "conflicting_duplicate"
PENDING_STATUS = "PENDING"
_FINAL = "final"


def parsed(lines: DataFrame) -> DataFrame:
    """value -> line; is_proven: whether LINE matches it; row: its fields as text from the JSON, nulls if it is no JSON.

    The expression that proves a line takes it apart too, which is faster than to parse it.
    """
    rows = lines.where(F.octet_length("value") > 0)  # empty lines separate the objects of a bundle
    parts = F.split(F.regexp_replace("value", LINE, VALUES), SEPARATOR).alias("parts")
    # Nothing stands before the first separator where the line was replaced, and a brace where it was not.
    is_proven = F.col("value").startswith("{") & (F.col("parts")[0] == "")
    row = F.when(is_proven, F.expr(_ROW_OF_PARTS)).otherwise(F.from_json("value", _LANDED_SCHEMA))
    taken_apart = rows.select("value", parts)
    return taken_apart.select(F.col("value").alias("line"), is_proven.alias("is_proven"), row.alias("row"))


def positions(lines: DataFrame) -> DataFrame:
    """value -> the rows' position columns; a row without a position gets one made from its content."""
    return typed(parsed(lines)).select(*POSITION)


def typed(rows: DataFrame) -> DataFrame:
    """line, is_proven, row -> the landed columns in their curated types, content_hash, reason (null without a fault).

    A row at fault has an identity of its own as transaction_id, what it counts for in currency, indicator and amount,
    and its fault and line in description.
    """
    # Step by step, so that nothing is computed twice. Each step copies the rows, so there are few steps.
    texts = [row_checks.text(name).alias(f"{name}_text") for name in ("amount", *row_checks.DATES)]
    values = [row_checks.typed(name).alias(name) for name in _LANDED]
    units = row_checks.minor_units().alias("units")
    cast = rows.select("line", row_checks.form().alias("form"), units, *texts, *values)
    judged = cast.withColumn("fault", row_checks.fault())
    instead = _instead()
    columns = [instead.get(name, F.col(name)).alias(name) for name in _LANDED]
    content_hash = F.when(_is_bad(), F.sha2("line", 256)).otherwise(_content_hash())
    reason = F.substring_index("fault", ":", 1)
    return judged.select(*columns, content_hash.alias("content_hash"), reason.alias("reason"))


def _is_bad() -> Column:
    return F.col("fault").isNotNull()


def _instead() -> dict[str, Column]:
    """The columns whose value a row at fault replaces."""
    counts = row_checks.counts_in_totals()
    at_fault = {
        "transaction_id": _own_identity(),
        "currency": F.when(counts, F.col("currency")),
        "credit_debit_indicator": F.when(counts, F.col("credit_debit_indicator")),
        "amount": F.when(counts, F.col("amount")).otherwise(F.lit(0).cast(_TYPES["amount"])),
        "description": F.concat("fault", F.lit("\n"), "line"),  # a line holds no line feed
    }
    # A row without a readable position gets one made from its content, so that it has it alone.
    nowhere = {
        "stream_incarnation": F.lit("unknown"),
        "shard_id": F.lit("unknown"),
        "sequence_number": F.conv(F.substring(F.sha2("line", 256), 1, 15), 16, 10),
        "sub_sequence_number": F.lit(0).cast("bigint"),
    }
    return {name: F.when(_is_bad(), column).otherwise(F.col(name)) for name, column in at_fault.items()} | {
        name: F.when(row_checks.is_placed(), F.col(name)).otherwise(column) for name, column in nowhere.items()
    }


def _own_identity() -> Column:
    """No real transaction_id: the position where it is known, else the content. \\u0001 stands in no real one."""
    position = F.concat_ws("/", F.lit("\u0001"), *(F.col(name).cast("string") for name in POSITION))
    return F.when(row_checks.is_placed(), position).otherwise(F.concat(F.lit("\u0001"), F.sha2("line", 256)))


def _content_hash() -> Column:
    """SHA-256 of the content in one normal form: 1.5 is 1.50, 12:00:00Z is 12:00:00.000Z, null is not empty.

    Free text alone can hold the separator: its lengths stand in front. Fields of later versions stand behind, by name,
    and only where they are there: so a record of version 1.0 is the same content for ever.
    """
    first = [field for field in CONTENT_FIELDS if field.since == FIRST_VERSION]
    free = [F.length(F.col(field.name)).cast("string") for field in first if field.free_text]
    parts = [F.coalesce(part, F.lit("")) for part in [*free, *map(_normal, first)]]
    # concat() of a null is null, and concat_ws() leaves it out.
    later = [
        F.concat(F.lit(f"{field.name}="), _normal(field)) for field in CONTENT_FIELDS if field.since != FIRST_VERSION
    ]
    return F.sha2(F.concat_ws(HASH_SEPARATOR, *parts, *later), 256)


def _normal(field: Field) -> Column:
    value = F.unix_micros(field.name) if field.type is Type.TIMESTAMP else F.col(field.name)
    return value.cast("string")


def decided(rows: DataFrame, curated: DataFrame | None = None, earlier: DataFrame | None = None) -> DataFrame:
    """Adds disposition, and the reason of conflicts.

    Of an id's final states (BOOKED, REJECTED) the first in stream order is the ledger's; the same content again is a
    duplicate; other content, or the other final state, is a conflict. Of its pending puts each distinct content is held
    once, whether before or after a final state.

    curated: transaction_id, content_hash, status of what is curated already, which precedes all rows. earlier: the
    position columns of rows that former runs processed; a row at one of them is redelivered.
    """
    held = _placed(rows).withColumn("held_as", _held_as())
    in_order = Window.partitionBy("transaction_id", "held_as").orderBy(*_stream_order())
    ranked = held.select(
        "*",
        F.row_number().over(in_order).alias("number"),
        F.rank().over(in_order).alias("rank"),  # the same for rows of equal positions
        F.first("content_hash").over(in_order).alias("first_hash"),
    )
    known = _with_known(ranked, curated)
    positioned = _with_earlier(_positioned(known), earlier)
    redelivered = F.col("redelivered") | (F.col("rank") < F.col("number"))
    is_first = F.col("known_hash").isNull() & (F.col("number") == 1)
    same = F.col("content_hash") == F.coalesce("known_hash", "first_hash")
    disposition = (
        F.when(redelivered, REDELIVERED)
        .when(F.col("reason") == ERASED, ERASED)
        .when(F.col("reason").isNotNull(), QUARANTINE)
        .when(is_first, F.when(F.col("status") == PENDING_STATUS, PENDING).otherwise(LEDGER))
        .when(same, DUPLICATE)
        .otherwise(QUARANTINE)
    )
    reason = F.when(F.col("disposition") == QUARANTINE, F.coalesce("reason", F.lit(CONFLICT)))
    return positioned.withColumn("disposition", disposition).withColumn("reason", reason)


def _held_as() -> Column:
    """What an id may be held as, each once: every pending content, and one final state."""
    return F.when(F.col("status") == PENDING_STATUS, F.col("content_hash")).otherwise(_FINAL)


def _placed(rows: DataFrame) -> DataFrame:
    """In place of the positions: place_*, where a row stands in the stream, and own_*, where it was put if elsewhere.

    A replayed row stands where the row stood that it replaces. No row carries a position twice through the sort.
    """
    names = {*REPLACED, *POSITION}
    placed = [F.coalesce(replaced, own).alias(f"place_{own}") for replaced, own in _REPLACED_AND_OWN]
    elsewhere = [F.when(F.col(replaced).isNotNull(), F.col(own)).alias(f"own_{own}")
                 for replaced, own in _REPLACED_AND_OWN]  # fmt: skip
    return rows.select(*(name for name in rows.columns if name not in names), *placed, *elsewhere)


def _positioned(rows: DataFrame) -> DataFrame:
    """The opposite of _placed()."""
    added = {f"{kind}_{name}" for kind in ("place", "own") for name in POSITION}
    own = [F.coalesce(f"own_{own}", f"place_{own}").alias(own) for own in POSITION]
    replaced = [F.when(F.col(f"own_{own}").isNotNull(), F.col(f"place_{own}")).alias(replaced)
                for replaced, own in _REPLACED_AND_OWN]  # fmt: skip
    return rows.select(*(name for name in rows.columns if name not in added), *own, *replaced)


def _stream_order() -> list[Column]:
    """Columns that sort rows of _placed() as they were put; sequence numbers, which have no leading zeros, sort as
    integers. Of rows at one place the one that was put there comes first, then replays as they were put."""
    return [column for kind in ("place", "own") for column in _in_numbers(*(f"{kind}_{name}" for name in POSITION))]


def _in_numbers(incarnation: str, shard: str, number: str, sub_number: str) -> list[Column]:
    return [F.col(incarnation), F.col(shard), F.length(number), F.col(number), F.col(sub_number)]


def _with_known(rows: DataFrame, curated: DataFrame | None) -> DataFrame:
    if curated is None:
        return rows.withColumn("known_hash", F.lit(None).cast("string"))
    known = curated.select("transaction_id", _held_as().alias("held_as"), F.col("content_hash").alias("known_hash"))
    return rows.join(known, ["transaction_id", "held_as"], "left")


def _with_earlier(rows: DataFrame, earlier: DataFrame | None) -> DataFrame:
    if earlier is None:
        return rows.withColumn("redelivered", F.lit(False))
    positions = earlier.select(*POSITION).distinct().withColumn("redelivered", F.lit(True))
    return rows.join(positions, list(POSITION), "left").withColumn(
        "redelivered", F.coalesce("redelivered", F.lit(False))
    )


def staged(rows: DataFrame, run_id: str, gathered: bool = False, in_parts: bool = False) -> DataFrame:
    """The curated columns in order and STAGED_PARTITIONS, sorted for the write and for pruning by account.

    gathered: shuffle each staged partition's rows together first; otherwise every Spark partition writes a file for
    every date. in_parts: then in parts of adaptive execution's advisory size, so that a large date is several files.
    """
    slice_ = (
        F.when(F.col("disposition").isin(*CURATED), F.to_date("event_time").cast("string"))
        .when(F.col("disposition") == QUARANTINE, F.col("reason"))
        .otherwise("-")
    )
    derived = {
        "event_date": F.to_date("event_time"),
        "run_id": F.lit(run_id),
        "booked_date": F.col("booking_date"),
        "account_scheme": account_scheme("account_id"),
    }
    columns = with_ids(CURATED_FIELDS, derived)
    placed = rows.select(*columns, "disposition", slice_.alias("slice"))
    if gathered and not in_parts:
        placed = placed.repartition(*STAGED_PARTITIONS)
    elif gathered:
        hint = f"REBALANCE({', '.join(STAGED_PARTITIONS)})"  # DataFrame.hint takes no columns
        placed = placed.sparkSession.sql(f"SELECT /*+ {hint} */ * FROM {{placed}}", placed=placed)
    return placed.sortWithinPartitions(*STAGED_PARTITIONS, "account_id", "event_time")


def with_ids(fields: Iterable[Field], derived: Mapping[str, Column] | None = None) -> list[Column]:
    """The columns of a table, for Parquet files with the contract's field ids. derived: columns that are computed."""
    return [
        (derived or {}).get(field.name, F.col(field.name)).alias(field.name, metadata={"parquet.field.id": field.id})
        for field in fields
    ]


def _landed_text(name: str) -> Column:
    """A typed column as text in the form of a landed row: amounts without needless zeros, times in RFC 3339."""
    type_ = _TYPES[name]
    column = F.col(name)
    if type_.startswith("decimal"):
        column = F.regexp_replace(column.cast("string"), r"\.?0+$", "")
    elif type_ == "timestamp":
        column = F.date_format(column, "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'")
    elif type_ == "date":
        column = column.cast("string")
    return column.alias(name)


def staged_counts(staged_rows: DataFrame) -> DataFrame:
    """The staged table counted: file, disposition, slice, currency, credit_debit_indicator -> records, amount, how many
    have two card tokens, and the first and last event time (microseconds)."""
    by = (*STAGED_PARTITIONS, "currency", "credit_debit_indicator")
    at = F.unix_micros("event_time").alias("at")
    counted = staged_rows.select("file", *by, "amount", "former_card_token", at).groupBy("file", *by)
    return counted.agg(
        F.count("*").alias("records"),
        F.sum("amount").alias("amount"),
        F.count("former_card_token").alias("linked"),
        F.min("at").alias("first_at"),
        F.max("at").alias("last_at"),
    )


def ids(staged_rows: DataFrame) -> DataFrame:
    """TRANSACTION_ID_FIELDS of the staged curated rows, and slice (the month of the event date)."""
    curated = staged_rows.where(F.col("disposition").isin(*CURATED))
    return curated.select(*with_ids(TRANSACTION_ID_FIELDS), F.date_format("event_date", "yyyy-MM").alias("slice"))


def quarantine_rows(staged_rows: DataFrame, arrival_date: str) -> DataFrame:
    """The staged quarantine as QUARANTINE_FIELDS.

    arrival_date: the run's ISO date, used for rows whose own arrival cannot be read or is impossible.
    """
    run_date = F.lit(arrival_date).cast("date")
    can_be = F.col("arrival_time").between(F.lit(EARLIEST_ARRIVAL), F.date_add(run_date, DAYS_AHEAD))
    arrived = F.when(can_be, F.col("arrival_time")).otherwise(run_date.cast("timestamp"))
    rows = _taken_out(staged_rows).withColumn("arrival_time", arrived)
    columns: dict[str, Column] = {
        "reason": F.col("slice"),
        "stage": F.lit(STAGE),
        "fingerprint": F.col("content_hash"),
    }
    return rows.select(*with_ids(QUARANTINE_FIELDS, columns))


def landing_quarantine_rows(lines: DataFrame) -> DataFrame:
    """value (JSON of QUARANTINE_FIELDS, as the landing writes it) -> QUARANTINE_FIELDS in their types."""
    row = F.from_json("value", spark_ddl(json_columns(QUARANTINE_FIELDS))).alias("row")
    rows = lines.where(F.octet_length("value") > 0).select(row).select("row.*")
    types = dict(typed_columns(QUARANTINE_FIELDS))
    typed_rows = rows.select(*(F.col(name).cast(type_).alias(name) for name, type_ in types.items()))
    return typed_rows.withColumn("payload", F.substring("payload", 1, _LONGEST_PAYLOAD))


def _as_text(value: Column) -> Column:
    """The text in UTF-8, which a raw line may not be, as JSON would write it: U+FFFD for each bad sequence."""
    return F.get_json_object(F.to_json(F.struct(value.alias("text"))), "$.text")


def _taken_out(staged_rows: DataFrame) -> DataFrame:
    """Adds field and payload, and restores the transaction_id of a row at fault, if it is readable."""
    conflict = F.col("slice") == CONFLICT
    fault, line = (F.when(~conflict, F.substring_index("description", "\n", end)) for end in (1, -1))
    landed = F.to_json(F.struct(*(_landed_text(name) for name in _LANDED)))
    rows = staged_rows.select(
        "*",
        F.when(F.instr(fault, ":") > 0, F.substring_index(fault, ":", -1)).alias("field"),
        F.substring(_as_text(F.when(conflict, landed).otherwise(line)), 1, _LONGEST_PAYLOAD).alias("payload"),
        F.from_json(line, _LANDED_SCHEMA).getField("transaction_id").alias("own"),
    )
    own = F.when(F.col("own").rlike(r"\A[!-~]{1,64}\z"), F.col("own"))
    return rows.withColumn("transaction_id", F.when(conflict, F.col("transaction_id")).otherwise(own))
