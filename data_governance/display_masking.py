"""Masks accounts and free text for pages and terminals that others may see. Card numbers are masked already. Pure."""

from __future__ import annotations

import re

_ACCOUNT_FIELDS = ("account_id", "counterparty_account", "card_token")
_TEXT_FIELDS = ("merchant_name", "description")
_LONGEST = 1_500

_IBAN = re.compile(r"\b[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}\b")
_ACCOUNT = re.compile(rf'("(?:{"|".join(_ACCOUNT_FIELDS)})"\s*:\s*")((?:[^"\\]|\\.)*)')
_TEXT = re.compile(rf'("(?:{"|".join(_TEXT_FIELDS)})"\s*:\s*")((?:[^"\\]|\\.)*)')


def masked_account(account: str) -> str:
    """Its first four and last four characters, or less of a short one."""
    shown = min(4, len(account) // 4)
    return f"{account[:shown]}…{account[-shown:]}" if shown else "…"


def masked_payload(payload: str) -> str:
    """A quarantined record as text, which need not be JSON."""
    text = _ACCOUNT.sub(lambda found: found[1] + masked_account(found[2]), payload)
    text = _TEXT.sub(lambda found: found[1] + ("…" if found[2] else ""), text)
    text = _IBAN.sub(lambda found: masked_account(found[0]), text)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
