"""The contract is one source: what is derived from it agrees with it."""

from data_catalog import currencies
from data_catalog import transaction_contract as contract
from data_catalog.currencies import CURRENCY_MINOR_UNITS, LAST_EVENT_DATES


def names(fields):
    return [field.name for field in fields]


def test_card_number_stands_only_in_what_a_producer_sends():
    assert "card_number" in names(contract.TRANSACTION_FIELDS)
    for fields in (contract.LANDED_FIELDS, contract.CURATED_FIELDS, contract.QUARANTINE_FIELDS):
        assert "card_number" not in names(fields)


def test_no_table_names_a_field_twice():
    for fields in (
        contract.TRANSACTION_FIELDS,
        contract.LANDED_FIELDS,
        contract.CURATED_FIELDS,
        contract.QUARANTINE_FIELDS,
        contract.FRAUD_ALERT_FIELDS,
    ):
        assert len(set(names(fields))) == len(fields)


def test_minor_units_are_iso_4217s():
    assert CURRENCY_MINOR_UNITS["JPY"] == 0
    assert CURRENCY_MINOR_UNITS["EUR"] == 2
    assert CURRENCY_MINOR_UNITS["BHD"] == 3
    assert CURRENCY_MINOR_UNITS["CLF"] == 4
    assert max(CURRENCY_MINOR_UNITS.values()) <= contract.AMOUNT_SCALE
    assert "XXX" not in CURRENCY_MINOR_UNITS


def test_every_currency_stands_once():
    codes = [code for codes in currencies._CURRENT.values() for code in codes.split()] + list(LAST_EVENT_DATES)
    assert len(codes) == len(set(codes)) == len(CURRENCY_MINOR_UNITS)


def test_money_is_decimal_with_one_precision_in_every_store():
    assert dict(contract.typed_columns(contract.CURATED_FIELDS))["amount"] == "decimal(18,4)"
    assert ("amount", "DECIMAL(18,4)", True) in contract.redshift_columns(contract.CURATED_FIELDS)


def test_json_tables_hold_text_so_that_no_reader_rounds():
    types = dict(contract.json_columns(contract.LANDED_FIELDS))
    assert types["amount"] == types["event_time"] == "string"
    assert types["sub_sequence_number"] == "bigint"


def test_warehouse_strings_are_wide_enough_for_utf_8():
    types = {name: type_ for name, type_, _ in contract.redshift_columns(contract.CURATED_FIELDS)}
    assert types["merchant_name"] == "VARCHAR(560)"
    assert types["transaction_id"] == "VARCHAR(64)"


def test_spark_schema_string_lists_the_columns_in_order():
    ddl = contract.spark_ddl(contract.typed_columns(contract.CURATED_FIELDS))
    assert [part.split()[0] for part in ddl.replace("18,4", "18;4").split(", ")] == names(contract.CURATED_FIELDS)


def test_json_schema_requires_what_the_contract_requires():
    schema = contract.json_schema()
    assert schema["required"] == [field.name for field in contract.TRANSACTION_FIELDS if field.required]
    assert schema["properties"].keys() == {field.name for field in contract.TRANSACTION_FIELDS}
    assert schema["then"]["required"] == ["original_transaction_id"]
