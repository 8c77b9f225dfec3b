"""The lake's Apache Iceberg tables: what each holds, where it lies, how it is partitioned. Pure; no Iceberg library.

Their columns and field ids are the contract's (data_catalog/transaction_contract.py). A kind is what a run calls its
files of a table; RunResult has an attribute of that name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from data_catalog.transaction_contract import (
    CURATED_FIELDS,
    FRAUD_ALERT_EVIDENCE_FIELDS,
    FRAUD_ALERT_FIELDS,
    POSITION,
    QUARANTINE_FIELDS,
    SIGHTING_FIELDS,
    TOKEN_LINK_FIELDS,
    TRANSACTION_ID_FIELDS,
    Field,
)


@dataclass(frozen=True, slots=True)
class LakeTable:
    """A table. bucket: its purpose in the settings; prefix: where it lies there.

    A file holds rows of one partition: of one day or month (UTC) of a column. sorted_by: the order of its rows, so that
    queries pass over row groups.
    """

    kind: str
    name: str
    bucket: Literal["curated", "quarantine"]
    prefix: str
    fields: tuple[Field, ...]
    partition_column: str
    partition_transform: Literal["identity", "day", "month"]
    sorted_by: tuple[str, ...]
    description: str

    def file_key(self, partition: str, name: str) -> str:
        """The key of a data file. partition: its day or month, e.g. 2026-03-02 or 2026-03.

        No name=value in the path: the column is in the file too, and readers of bare files would find it twice.
        """
        return f"{self.prefix}data/{partition}/{name}.parquet"


# In the order in which a run commits them.
LAKE_TABLES: tuple[LakeTable, ...] = (
    LakeTable(
        "curated", "transactions", "curated", "curated/transactions/", CURATED_FIELDS, "event_date", "identity",
        ("account_id", "event_time"), "Transactions in their final state (BOOKED, REJECTED), each once",
    ),
    LakeTable(
        "transaction_ids", "transaction_ids", "curated", "curated/transaction_ids/", TRANSACTION_ID_FIELDS,
        "event_date", "month", ("transaction_id",),
        "Ids of final and pending transactions: what the job compares a batch with",
    ),
    LakeTable(
        "pending_transactions", "pending_transactions", "curated", "curated/pending_transactions/", CURATED_FIELDS,
        "event_date", "identity", ("account_id", "event_time"), "Pending items, a row for each distinct put",
    ),
    LakeTable(
        "fraud_alerts", "fraud_alerts", "curated", "curated/fraud_alerts/", FRAUD_ALERT_FIELDS, "event_date",
        "identity", ("alert_id",), "What the fraud rules raised",
    ),
    LakeTable(
        "fraud_alert_evidence", "fraud_alert_evidence", "curated", "curated/fraud_alert_evidence/",
        FRAUD_ALERT_EVIDENCE_FIELDS, "event_date", "identity", ("alert_id", "transaction_id"),
        "The transactions that fraud alerts rest on",
    ),
    LakeTable(
        "token_links", "token_links", "curated", "curated/token_links/", TOKEN_LINK_FIELDS, "event_date", "month",
        ("card_token",), "The tokens that one card had under former keys",
    ),
    LakeTable(
        "sightings", "sightings", "curated", "curated/sightings/", SIGHTING_FIELDS, "event_date", "month",
        ("account_id", "counterparty_account", "first_seen"),
        "When accounts, and those whom they pay, were first seen in a month or a year: for rules on what is new",
    ),
    LakeTable(
        "quarantine", "quarantine", "quarantine", "quarantine_table/", QUARANTINE_FIELDS, "arrival_time", "day",
        POSITION, "Records that broke the contract, of both stages, with the reason; card numbers masked",
    ),
)  # fmt: skip
# Tables over what the landing writes, whose partitions are arrival dates.
BY_ARRIVAL_DATE = ("raw_transactions", "landing_control")
BY_KIND: dict[str, LakeTable] = {table.kind: table for table in LAKE_TABLES}
