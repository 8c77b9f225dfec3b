"""The contract in the forms that other tools read: Avro and the Open Data Contract Standard (ODCS) 3.1. Pure.

What a producer puts on the stream is JSON (transaction_contract.json_schema); Avro is for those who describe or
generate their records so, with Avro's own decimals and times. Sources: Avro 1.12; Open Data Contract Standard 3.1.0.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from data_catalog.lake_tables import LAKE_TABLES, LakeTable
from data_catalog.transaction_contract import (
    AMOUNT_PRECISION,
    AMOUNT_SCALE,
    SCHEMA_VERSION,
    TRANSACTION_FIELDS,
    Field,
    Type,
    iceberg_fields,
    json_schema,
)

_ID = "urn:datacontract:banking:transactions"
_AVRO_TYPES: dict[Type, Any] = {
    Type.STRING: "string",
    Type.DECIMAL: {"type": "bytes", "logicalType": "decimal", "precision": AMOUNT_PRECISION, "scale": AMOUNT_SCALE},
    Type.TIMESTAMP: {"type": "long", "logicalType": "timestamp-micros"},
    Type.DATE: {"type": "int", "logicalType": "date"},
    Type.INTEGER: "long",
}
_ODCS_TYPES = {
    Type.STRING: "string",
    Type.DECIMAL: "number",
    Type.TIMESTAMP: "timestamp",
    Type.DATE: "date",
    Type.INTEGER: "integer",
}
# What a field says about a person or a card.
_CLASSIFIED = {
    "card_number": "restricted",
    "card_token": "confidential",
    "former_card_token": "confidential",
    "first_card_token": "confidential",
    "card_last4": "confidential",
    "account_id": "confidential",
    "counterparty_account": "confidential",
    "description": "confidential",
    "payload": "confidential",
}
_KEYS = {
    "transactions": ("transaction_id",),
    "pending_transactions": ("transaction_id", "content_hash"),
    "fraud_alerts": ("alert_id",),
    "token_links": ("card_token",),
}


def avro_schema() -> dict[str, Any]:
    """What a producer sends, as an Avro record. Optional fields are null by default, so readers of 1.0 go on."""
    return {
        "type": "record",
        "name": "Transaction",
        "namespace": "banking",
        "doc": f"Contract version {SCHEMA_VERSION}",
        "fields": [_avro_field(field) for field in TRANSACTION_FIELDS],
    }


def _avro_field(field: Field) -> dict[str, Any]:
    type_: Any = _AVRO_TYPES[field.type]
    if field.values:
        name = "".join(word.capitalize() for word in field.name.split("_"))
        type_ = {"type": "enum", "name": name, "symbols": list(field.values)}
    described = {"name": field.name, "doc": field.comment}
    return described | ({"type": type_} if field.required else {"type": ["null", type_], "default": None})


def odcs() -> dict[str, Any]:
    """The data contract by the Open Data Contract Standard: what producers send, and the tables that readers get."""
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": _ID,
        "name": "Bank transactions",
        "version": SCHEMA_VERSION,
        "status": "active",
        "domain": "payments",
        "dataProduct": "Real-Time Banking Data Platform",
        "description": {
            "purpose": "Transactions of bank accounts, from stream to lake: each counted, none lost or doubled.",
            "usage": "Sum BOOKED entries; a PENDING item may be settled, superseded or never come.",
            "limitations": "Card numbers exist on the stream only; past it there are tokens, which lead nowhere back.",
        },
        "schema": [_sent(), *map(_served, LAKE_TABLES)],
    }


def _sent() -> dict[str, Any]:
    bounds = json_schema()["properties"]
    return {
        "name": "transaction",
        "logicalType": "object",
        "physicalType": "JSON record",
        "description": "What a producer puts on the stream, one JSON object a record",
        "properties": [
            _property(field, "string", required=field.required, bounds=bounds[field.name])
            for field in TRANSACTION_FIELDS
        ],
    }


def _served(table: LakeTable) -> dict[str, Any]:
    types = {column["Name"]: column["Type"] for column in iceberg_fields(table.fields)}
    key = _KEYS.get(table.name, ())
    return {
        "name": f"lake_{table.name}",
        "physicalName": table.name,
        "logicalType": "object",
        "physicalType": "table",
        "description": table.description,
        "properties": [
            _property(field, types[field.name], required=field.required, key=key, partition=table.partition_column)
            for field in table.fields
        ],
    }


def _property(
    field: Field,
    physical_type: str,
    *,
    required: bool,
    bounds: dict[str, Any] | None = None,
    key: Iterable[str] = (),
    partition: str = "",
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": field.name,
        "logicalType": _ODCS_TYPES[field.type],
        "physicalType": physical_type,
        "description": field.comment,
        "required": required,
    }
    place = [*key].index(field.name) + 1 if field.name in key else 0
    if place:
        found |= {"primaryKey": True, "primaryKeyPosition": place}
    if field.name == partition:
        found |= {"partitioned": True, "partitionKeyPosition": 1}
    if field.name in _CLASSIFIED:
        found["classification"] = _CLASSIFIED[field.name]
    options = {name: (bounds or {})[name] for name in ("minLength", "maxLength", "pattern") if name in (bounds or {})}
    if options and field.type is Type.STRING:
        found["logicalTypeOptions"] = options
    return found
