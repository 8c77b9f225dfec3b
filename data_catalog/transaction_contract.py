"""THE contract: what a transaction is, at every stage, stated once.

From these tables come the validator's record type (data_ingestion), the Spark schema (data_processing), the Glue
columns (data_catalog), the warehouse columns (data_storage) and the JSON Schema for producers. Standard library only,
so that the same file goes into the Lambda zip, the Glue job and the tests.

Compatibility: an added optional field is a new minor version; anything else is a new major version. A field keeps its
id for ever, and no id is used again; `orchestrate_pipeline.py schema check --against REF` refuses anything else. Fields
that are not in the contract are kept out of the landed record and counted.

Sources: ISO 20022 (credit_debit_indicator, status), ISO 4217 (currency, minor units), ISO 18245 (merchant category
code), ISO 3166-1 alpha-2 (country), RFC 3339 (times), ISO/IEC 7812 (card number).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from data_catalog.currencies import CURRENCY_MINOR_UNITS

SCHEMA_VERSION = "1.2"
FIRST_VERSION = "1.0"
SCHEMA_MAJOR_VERSION = SCHEMA_VERSION.split(".", 1)[0]

# Money is stored with this precision and scale everywhere: 14 digits before the point, 4 after it.
AMOUNT_PRECISION = 18
AMOUNT_SCALE = 4

# How far a producer's clock may be ahead. An event that is later than its arrival by more is quarantined.
EVENT_TIME_AHEAD_SECONDS = 24 * 3600
EARLIEST_EVENT_YEAR = 1970

TRANSACTION_TYPES = (
    "DEPOSIT", "WITHDRAWAL", "TRANSFER", "PAYMENT", "CARD_PURCHASE", "FEE", "INTEREST", "REVERSAL",
)  # fmt: skip
CREDIT_DEBIT_INDICATORS = ("CRDT", "DBIT")
STATUSES = ("PENDING", "BOOKED", "REJECTED")
ACCOUNT_SCHEMES = ("IBAN", "BBAN")
CHANNELS = ("MOBILE", "WEB", "ATM", "BRANCH", "POS", "API", "BATCH")


class Type(Enum):
    """Column types that belong to no store; the tables below map them to each store's types."""

    STRING = "string"
    DECIMAL = "decimal"  # DECIMAL(18,4); in JSON a plain decimal string
    TIMESTAMP = "timestamp"  # UTC; in JSON RFC 3339 with offset
    DATE = "date"  # in JSON YYYY-MM-DD
    INTEGER = "integer"  # 64 bits


@dataclass(frozen=True, slots=True)
class Field:
    """One field: id, name, type, whether it must be there, and its bounds.

    id: the field's own, in every table that has it. since: the contract version that brought it. max_length counts
    characters. values closes the set. ascii says that only printable ASCII without spaces is allowed (identifiers);
    free text is scanned for card numbers before it lands.
    """

    id: int
    name: str
    type: Type = Type.STRING
    required: bool = True
    max_length: int = 0
    values: tuple[str, ...] = ()
    ascii: bool = False
    free_text: bool = False
    comment: str = ""
    since: str = FIRST_VERSION


# What a producer sends.
TRANSACTION_FIELDS: tuple[Field, ...] = (
    Field(1, "schema_version", max_length=8, ascii=True, comment="Contract version, 1.x"),
    Field(2, "transaction_id", max_length=64, ascii=True, comment="The bank's id, unique per transaction"),
    Field(3, "account_id", max_length=34, ascii=True, comment="IBAN or the bank's own account number"),
    Field(4, "transaction_type", max_length=16, values=TRANSACTION_TYPES, comment="Kind of transaction"),
    Field(5, "credit_debit_indicator", max_length=4, values=CREDIT_DEBIT_INDICATORS, comment="ISO 20022 CRDT or DBIT"),
    Field(6, "amount", Type.DECIMAL, comment="Unsigned, above zero, within the currency's minor units"),
    Field(7, "currency", max_length=3, ascii=True, comment="ISO 4217 alpha-3"),
    Field(8, "event_time", Type.TIMESTAMP, comment="When it happened; stored as UTC"),
    Field(9, "value_date", Type.DATE, required=False, comment="Date on which the balance counts"),
    Field(10, "status", max_length=8, values=STATUSES, comment="ISO 20022 entry status"),
    Field(11, "channel", max_length=8, values=CHANNELS, comment="Where it was made"),
    Field(12, "card_number", required=False, max_length=32, comment="PAN; never landed"),
    Field(13, "counterparty_account", required=False, max_length=34, ascii=True, comment="IBAN or account number"),
    Field(14, "counterparty_bank", required=False, max_length=35, ascii=True, comment="BIC or national bank code"),
    Field(15, "merchant_name", required=False, max_length=140, free_text=True, comment="Merchant as on the statement"),
    Field(16, "merchant_category_code", required=False, max_length=4, ascii=True, comment="ISO 18245, four digits"),
    Field(17, "merchant_country", required=False, max_length=2, ascii=True, comment="ISO 3166-1 alpha-2"),
    Field(18, "balance_after", Type.DECIMAL, required=False, comment="Booked balance after it; may be negative"),
    Field(19, "original_transaction_id", required=False, max_length=64, ascii=True, comment="Required for REVERSAL"),
    Field(20, "description", required=False, max_length=500, free_text=True, comment="Free text, card numbers masked"),
    Field(32, "booking_date", Type.DATE, required=False, since="1.1", comment="ISO 20022 BookgDt: the bank's own day"),
    Field(
        33,
        "pending_transaction_id",
        required=False,
        max_length=64,
        ascii=True,
        since="1.1",
        comment="The pending item that this entry settles, where it has another id",
    ),
)

# What replaces the card number after the stream.
CARD_FIELDS: tuple[Field, ...] = (
    Field(
        21, "card_token", required=False, max_length=64, ascii=True, comment="Keyed HMAC of the whole PAN, with version"
    ),
    Field(
        40,
        "former_card_token",
        required=False,
        max_length=64,
        ascii=True,
        since="1.2",
        comment="The card's token under the former key, while a rotation overlaps",
    ),
    Field(22, "card_last4", required=False, max_length=4, ascii=True, comment="Last four digits of the PAN"),
)

# A record's position in the stream. (incarnation, shard, sequence, sub-sequence) identifies a raw row.
POSITION_FIELDS: tuple[Field, ...] = (
    Field(
        23, "stream_incarnation", max_length=64, ascii=True, comment="The stream's creation; sequences restart with it"
    ),
    Field(24, "shard_id", max_length=64, ascii=True, comment="Kinesis shard"),
    Field(25, "sequence_number", max_length=128, ascii=True, comment="Kinesis sequence number, decimal digits"),
    Field(26, "sub_sequence_number", Type.INTEGER, comment="Place in a KPL aggregate, else 0"),
    Field(27, "arrival_time", Type.TIMESTAMP, comment="Kinesis' approximate arrival time"),
)
POSITION = tuple(field.name for field in POSITION_FIELDS if field.name != "arrival_time")

# The position of the quarantined record that a replayed one stands for: its place in the order, never its identity.
REPLACED_FIELDS: tuple[Field, ...] = (
    Field(34, "replaces_incarnation", required=False, max_length=64, ascii=True, since="1.1", comment="Replays only"),
    Field(35, "replaces_shard_id", required=False, max_length=64, ascii=True, since="1.1", comment="Replays only"),
    Field(
        36,
        "replaces_sequence_number",
        required=False,
        max_length=128,
        ascii=True,
        since="1.1",
        comment="Replays only",
    ),
    Field(37, "replaces_sub_sequence_number", Type.INTEGER, required=False, since="1.1", comment="Replays only"),
)
REPLACED = tuple(field.name for field in REPLACED_FIELDS)

LANDED_FIELDS: tuple[Field, ...] = (
    *(field for field in TRANSACTION_FIELDS if field.name != "card_number"),
    *CARD_FIELDS,
    *POSITION_FIELDS,
    Field(28, "landed_at", Type.TIMESTAMP, comment="Latest arrival in the landing batch; the same at every retry"),
    *REPLACED_FIELDS,
)

CURATED_FIELDS: tuple[Field, ...] = (
    *LANDED_FIELDS,
    Field(29, "event_date", Type.DATE, comment="UTC date of event_time; the partition"),
    Field(
        30, "content_hash", max_length=64, ascii=True, comment="SHA-256 of the content; tells duplicate from conflict"
    ),
    Field(31, "run_id", max_length=64, ascii=True, comment="The run that curated it"),
    Field(
        38,
        "booked_date",
        Type.DATE,
        required=False,
        since="1.1",
        comment="booking_date; where there is none, the warehouse fixes it when it loads a BOOKED row",
    ),
    Field(
        39,
        "account_scheme",
        required=False,
        max_length=4,
        values=ACCOUNT_SCHEMES,
        since="1.1",
        comment="ISO 20022 account identification: IBAN, or BBAN for the bank's own number",
    ),
)

# What tells whether an id is held already, and as what.
TRANSACTION_ID_FIELDS: tuple[Field, ...] = tuple(
    field
    for field in CURATED_FIELDS
    if field.name in ("transaction_id", "status", "content_hash", "event_date", "run_id")
)

# The two curated tables of transactions, split by status; a pending item may stand there once for each put of it.
FINAL_STATUSES = ("BOOKED", "REJECTED")

# One schema for both stages (landing, etl). The control fields are what the record counts for in control totals.
QUARANTINE_FIELDS: tuple[Field, ...] = (
    Field(101, "reason", max_length=64, ascii=True, comment="One of QUARANTINE_REASONS"),
    Field(102, "stage", max_length=16, values=("landing", "etl"), comment="Who found it"),
    Field(103, "field", required=False, max_length=64, ascii=True, comment="Contract field at fault"),
    Field(
        104, "transaction_id", required=False, max_length=64, ascii=True, comment="If readable and free of card numbers"
    ),
    Field(105, "currency", required=False, max_length=3, ascii=True, comment="Control total key, null if unreadable"),
    Field(106, "credit_debit_indicator", required=False, max_length=4, comment="Control total key, null if unreadable"),
    Field(107, "amount", Type.DECIMAL, comment="Control amount, 0 if unreadable"),
    *POSITION_FIELDS,
    Field(
        108, "fingerprint", max_length=64, ascii=True, comment="Keyed hash of the content; the same content, the same"
    ),
    Field(109, "run_id", required=False, max_length=64, ascii=True, comment="The ETL run, for stage etl"),
    Field(110, "payload", comment="The record as text, card numbers masked; JSON of the landed schema for stage etl"),
)

# What the fraud rules raise; facts stay untouched. An alert says the same whatever order its evidence came in.
FRAUD_ALERT_FIELDS: tuple[Field, ...] = (
    Field(201, "alert_id", max_length=64, ascii=True, comment="SHA-256 of rule, subject and bucket"),
    Field(202, "rule", max_length=32, ascii=True, comment="Name of the rule"),
    Field(203, "severity", max_length=8, values=("LOW", "MEDIUM", "HIGH"), comment="How urgent"),
    Field(204, "subject_type", max_length=8, values=("ACCOUNT", "CARD"), comment="What the rule looks at"),
    Field(205, "subject", max_length=64, ascii=True, comment="The account_id, or the card_token"),
    Field(206, "bucket_start", Type.TIMESTAMP, comment="The hour or day (UTC) of event time that the alert is about"),
    Field(207, "least_evidence", Type.INTEGER, comment="With fewer standing transactions the alert is closed"),
    Field(208, "reason", max_length=200, comment="What the rule looks for"),
    Field(209, "event_date", Type.DATE, comment="UTC date of bucket_start; the partition"),
    Field(210, "run_id", max_length=64, ascii=True, comment="The run that raised it"),
)
# What an alert rests on. Grows as more of the same bucket comes.
FRAUD_ALERT_EVIDENCE_FIELDS: tuple[Field, ...] = (
    Field(221, "alert_id", max_length=64, ascii=True, comment="The alert"),
    Field(222, "transaction_id", max_length=64, ascii=True, comment="A transaction that it rests on"),
    Field(223, "content_hash", max_length=64, ascii=True, comment="Which put of it"),
    Field(224, "account_id", max_length=34, ascii=True, comment="Its account"),
    Field(225, "amount", Type.DECIMAL, comment="Its amount"),
    Field(226, "currency", max_length=3, ascii=True, comment="Its currency"),
    Field(227, "event_time", Type.TIMESTAMP, comment="Its event time"),
    Field(228, "event_date", Type.DATE, comment="UTC date of event_time; the partition"),
    Field(229, "run_id", max_length=64, ascii=True, comment="The run that found it"),
)

# A card's tokens over rotations of the key. Each names the one before it and the first, which tells one card.
TOKEN_LINK_FIELDS: tuple[Field, ...] = (
    Field(241, "card_token", max_length=64, ascii=True, comment="A card's token"),
    Field(242, "former_card_token", max_length=64, ascii=True, comment="Its token under the key before"),
    Field(243, "first_card_token", max_length=64, ascii=True, comment="Its first known token; alerts name it"),
    Field(244, "event_date", Type.DATE, comment="UTC date of the earliest event that linked the two, in its run"),
    Field(245, "run_id", max_length=64, ascii=True, comment="The run that linked them"),
)

# When an account was first seen in a calendar month, and paid a counterparty in a calendar year: what rules on a new
# payee or a dormant account rest on.
SIGHTING_FIELDS: tuple[Field, ...] = (
    Field(261, "account_id", max_length=34, ascii=True, comment="The account"),
    Field(
        262, "counterparty_account", required=False, max_length=34, ascii=True,
        comment="Whom it paid; null: the account itself was seen",
    ),
    Field(263, "first_seen", Type.TIMESTAMP, comment="Earliest event time in that month (UTC), or year if it paid"),
    Field(264, "event_date", Type.DATE, comment="UTC date of first_seen; its month is the partition"),
    Field(265, "run_id", max_length=64, ascii=True, comment="The run that saw it"),
)  # fmt: skip

QUARANTINE_REASONS: dict[str, str] = {
    "empty_record": "no bytes, or only white space",
    "record_too_large": "larger than the contract allows",
    "invalid_encoding": "not UTF-8, or a byte order mark",
    "malformed_json": "not one JSON object (truncated, trailing data, two objects, NaN)",
    "duplicate_key": "a field stands twice",
    "too_deep": "nested deeper than a transaction is",
    "broken_aggregate": "a KPL aggregate that cannot be taken apart safely",
    "missing_field": "a required field is absent or null",
    "wrong_type": "a field of another JSON type than the contract's",
    "invalid_value": "outside the field's set, length or form",
    "unsupported_schema_version": "another major version of the contract",
    "invalid_amount": "not a plain decimal above zero within range",
    "amount_scale": "more decimals than the currency's minor units",
    "invalid_currency": "not an ISO 4217 code, or withdrawn more than a year before",
    "invalid_card_number": "not 13 to 19 digits that pass the Luhn check",
    "card_number_in_identifier": "a card number in a field that identifies or classifies",
    "invalid_event_time": "not RFC 3339 with an offset, or out of range",
    "event_time_in_future": "later than its arrival by more than a day",
    "missing_original_transaction": "a REVERSAL that names no original",
    "conflicting_duplicate": "other content for a transaction_id that is final; the first final state stays",
    "unreadable_row": "a raw row that is not the landed schema",
}

# ISO 3166-1 alpha-2.
COUNTRIES: frozenset[str] = frozenset(
    """AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR
    GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO
    JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR
    MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO
    RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV
    TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW""".split()
)

_GLUE_TYPES = {
    Type.STRING: "string",
    Type.DECIMAL: f"decimal({AMOUNT_PRECISION},{AMOUNT_SCALE})",
    Type.TIMESTAMP: "timestamp",
    Type.DATE: "date",
    Type.INTEGER: "bigint",
}
_REDSHIFT_TYPES = {
    Type.DECIMAL: f"DECIMAL({AMOUNT_PRECISION},{AMOUNT_SCALE})",
    Type.TIMESTAMP: "TIMESTAMP",  # UTC by contract; TIMESTAMPTZ is not what Parquet COPY fills
    Type.DATE: "DATE",
    Type.INTEGER: "BIGINT",
}
_ICEBERG_TYPES = {
    Type.STRING: "string",
    Type.DECIMAL: f"decimal({AMOUNT_PRECISION}, {AMOUNT_SCALE})",
    Type.TIMESTAMP: "timestamptz",
    Type.DATE: "date",
    Type.INTEGER: "long",
}
_UTF8_BYTES = 4  # Redshift counts a VARCHAR's length in bytes
_REDSHIFT_MAX_VARCHAR = 65535


def fields_at(fields: Iterable[Field], version: str) -> tuple[Field, ...]:
    """The fields that a table had at a version of the contract, in its order."""
    return tuple(field for field in fields if _number(field.since) <= _number(version))


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def typed_columns(fields: Iterable[Field]) -> list[tuple[str, str]]:
    """(name, Hive type) of a typed table (curated Parquet): for Glue, Athena and Spark's schema alike."""
    return [(field.name, _GLUE_TYPES[field.type]) for field in fields]


def iceberg_fields(fields: Iterable[Field]) -> list[dict[str, Any]]:
    """Columns of an Iceberg table: Id, Name, Type (Iceberg's name), Doc. All optional, so that a field may be added."""
    return [
        {"Id": field.id, "Name": field.name, "Type": _ICEBERG_TYPES[field.type], "Doc": field.comment}
        for field in fields
    ]


def json_columns(fields: Iterable[Field]) -> list[tuple[str, str]]:
    """(name, Hive type) of a table over NDJSON (raw, quarantine): text, so that no reader rounds or guesses."""
    return [(field.name, "bigint" if field.type is Type.INTEGER else "string") for field in fields]


def spark_ddl(columns: Iterable[tuple[str, str]]) -> str:
    """The columns as a Spark schema string, e.g. "a string, b decimal(18,4)"."""
    return ", ".join(f"{name} {type_}" for name, type_ in columns)


def redshift_columns(fields: Iterable[Field]) -> list[tuple[str, str, bool]]:
    """(name, Redshift type, NOT NULL) of a warehouse table."""
    return [(field.name, _redshift_type(field), field.required) for field in fields]


def _redshift_type(field: Field) -> str:
    if field.type is not Type.STRING:
        return _REDSHIFT_TYPES[field.type]
    single_byte = field.ascii or field.values
    length = field.max_length * (1 if single_byte else _UTF8_BYTES) or _REDSHIFT_MAX_VARCHAR
    return f"VARCHAR({min(length, _REDSHIFT_MAX_VARCHAR)})"


def json_schema() -> dict[str, Any]:
    """The contract for producers, as JSON Schema (draft 2020-12).

    What JSON Schema can't say (Luhn, minor units by currency, REVERSAL's original) the Lambda checks.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Transaction",
        "description": f"Contract version {SCHEMA_VERSION}. Unknown fields are not landed.",
        "type": "object",
        "required": [field.name for field in TRANSACTION_FIELDS if field.required],
        "properties": {field.name: _json_property(field) for field in TRANSACTION_FIELDS},
        "if": {"properties": {"transaction_type": {"const": "REVERSAL"}}, "required": ["transaction_type"]},
        "then": {"required": ["original_transaction_id"]},
    }


# Zeros in front and behind are the same number.
_NUMBER = rf"0*[0-9]{{1,{AMOUNT_PRECISION - AMOUNT_SCALE}}}(\.[0-9]{{1,{AMOUNT_SCALE}}}0*)?"
_PATTERNS = {
    "schema_version": rf"^{SCHEMA_MAJOR_VERSION}\.[0-9]{{1,6}}$",
    "amount": rf"^{_NUMBER}$",
    "balance_after": rf"^-?{_NUMBER}$",
    "merchant_category_code": "^[0-9]{4}$",
    "card_number": "^[0-9]([ -]?[0-9]){12,18}$",
}


def _json_property(field: Field) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string" if field.required else ["string", "null"], "description": field.comment}
    if field.name in _PATTERNS:
        schema["pattern"] = _PATTERNS[field.name]
    elif field.name == "currency":
        schema["enum"] = sorted(CURRENCY_MINOR_UNITS)
    elif field.name == "merchant_country":
        schema["enum"] = [*sorted(COUNTRIES), None]
    elif field.values:
        schema["enum"] = list(field.values)
    elif field.type is Type.TIMESTAMP:
        schema["format"] = "date-time"
    elif field.type is Type.DATE:
        schema["format"] = "date"
    else:
        schema |= {"minLength": 1, "maxLength": field.max_length}
        if field.ascii:
            schema["pattern"] = "^[!-~]+$"
    return schema
