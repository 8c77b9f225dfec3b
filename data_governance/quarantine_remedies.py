"""What to do about a quarantined record, by its reason. The reasons and their meanings are the contract's."""

from __future__ import annotations

QUARANTINE_REMEDIES: dict[str, str] = {
    "empty_record": "Nothing to correct. Ask the producer why it sends empty records.",
    "record_too_large": "The producer has to send it again within the limit of size.",
    "invalid_encoding": "The producer has to send it again, in UTF-8 without a byte order mark.",
    "malformed_json": "The producer has to send it again: one whole JSON object a record.",
    "duplicate_key": "Ask the producer which of the two values is right; correct the line and replay it.",
    "too_deep": "The producer has to send the contract's flat object again.",
    "broken_aggregate": "The producer has to send it again with another version of its library.",
    "missing_field": "Ask the producer for the value; fill it in and replay the line.",
    "wrong_type": "Write the value as the contract's type and replay the line.",
    "invalid_value": "Write a value of the contract's set, length or form and replay the line.",
    "unsupported_schema_version": "Have the producer send the contract's current major version.",
    "invalid_amount": "Ask the producer for the amount; correct it and replay the line.",
    "amount_scale": "Ask the producer for the amount in the currency's decimals; correct it and replay the line.",
    "invalid_currency": "Write the ISO 4217 code that was meant and replay the line: quarantine fix does it by a rule.",
    "invalid_card_number": "It has no token, so it cannot be corrected here: the producer has to send it again.",
    "card_number_in_identifier": "If it is a card number, the producer has to send another identifier. If it is none, "
    "approve it, with a second person, and replay the line.",
    "invalid_event_time": "Write the time as RFC 3339 with its offset and replay the line.",
    "event_time_in_future": "Check the producer's clock; correct the time and replay the line.",
    "missing_original_transaction": "Ask the producer which transaction is reversed; fill it in and replay the line.",
    "conflicting_duplicate": "If the first was the wrong one, have the bank book a correction under an id of its own.",
    "unreadable_row": "The raw object is damaged or foreign: restore its earlier version.",
}
