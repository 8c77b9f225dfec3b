"""Which rows an erasure takes out of each table and text, and where it masks the account. Pure."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow
import pyarrow.compute as pc

from data_catalog.lake_tables import LakeTable
from data_catalog.transaction_contract import LANDED_FIELDS, POSITION
from data_governance.iban import is_iban
from data_governance.tombstones import MASK

# A shorter number stands in free text for other things too, so there it is not looked for.
TELLING_LENGTH = 8
FREE_TEXT = tuple(each.name for each in LANDED_FIELDS if each.free_text)
# What of a refused record stays in the landing's object, so that its totals and positions still hold.
_CONTROL = (*POSITION, "arrival_time", "reason", "stage", "currency", "credit_debit_indicator", "amount", "fingerprint")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Erased:
    """What is erased: an account, the content hashes of its transactions, the tokens of its cards, and the alerts that
    rest on it alone."""

    account: str
    hashes: Collection[str] = field(default_factory=frozenset)
    alerts: Collection[str] = field(default_factory=frozenset)
    cards: Collection[str] = field(default_factory=frozenset)

    @property
    def _written(self) -> str:
        """A pattern of the account as people write it: with or without spaces, an IBAN in any case."""
        pattern = " ?".join(map(re.escape, self.account))
        return f"(?i:{pattern})" if is_iban(self.account) else pattern

    def named_in(self, payload: str) -> Literal["own", "other", ""]:
        """Whether a quarantined record is the account's own, or names it otherwise. Of a record that can't be read
        nobody can tell, so it is taken for its own."""
        if not self._may_name(payload):
            return ""
        try:
            document = json.loads(payload)
        except ValueError:
            return "own" if self.masked(payload) != payload else ""
        if not isinstance(document, dict):
            return "own" if self.masked(payload) != payload else ""
        if self._is_account(document.get("account_id")):
            return "own"
        return "other" if self.masked_payload(payload) != payload else ""

    def _may_name(self, payload: str) -> bool:
        return "\\" in payload or re.search(self._written, payload) is not None

    def _is_account(self, value: Any) -> bool:
        return value is not None and re.fullmatch(self._written, str(value).strip()) is not None

    def masked(self, text: str) -> str:
        """The text without the account's number."""
        if len(self.account) < TELLING_LENGTH:
            return text
        return re.sub(rf"(?<![0-9A-Za-z]){self._written}(?![0-9A-Za-z])", MASK, text)

    def masked_payload(self, payload: str) -> str:
        """A record that is another account's, without this one's number. Written anew only if it names it."""
        document = json.loads(payload)
        masked = {name: self.masked(value) if isinstance(value, str) else value for name, value in document.items()}
        if self._is_account(document.get("counterparty_account")):
            masked["counterparty_account"] = MASK
        if masked == document:
            return self.masked(payload)
        return json.dumps(masked, ensure_ascii=False, separators=(",", ":"))

    def takes_out(self, table: LakeTable, rows: pyarrow.Table) -> pyarrow.Array:
        """Which rows go, as booleans."""
        if table.kind in ("curated", "pending_transactions", "fraud_alert_evidence"):
            return pc.equal(rows["account_id"], self.account)
        if table.kind == "transaction_ids":
            return _among(rows["content_hash"], self.hashes)
        if table.kind == "token_links":
            return pc.or_(_among(rows["card_token"], self.cards), _among(rows["former_card_token"], self.cards))
        if table.kind == "sightings":
            paid = pc.fill_null(pc.equal(rows["counterparty_account"], self.account), False)
            return pc.or_(pc.equal(rows["account_id"], self.account), paid)
        if table.kind == "fraud_alerts":
            alone = _among(rows["alert_id"], self.alerts)
            own = pc.and_(pc.equal(rows["subject_type"], "ACCOUNT"), pc.equal(rows["subject"], self.account))
            return pc.or_(own, alone)
        return pyarrow.array(
            [self.named_in(text or "") == "own" for text in rows["payload"].to_pylist()], pyarrow.bool_()
        )

    def change(self, table: LakeTable, rows: pyarrow.Table) -> pyarrow.Table:
        """The rows as they should be; the very same object if they are."""
        gone = self.takes_out(table, rows)
        kept = rows.filter(pc.invert(gone)) if pc.any(gone).as_py() else rows
        if table.kind in ("curated", "pending_transactions"):
            kept = self._with_counterparty_masked(kept)
            for name in FREE_TEXT:
                kept = self._with_text_masked(kept, name)
        elif table.kind == "quarantine":
            payloads = kept["payload"].to_pylist()
            masked = [self.masked_payload(each) if self.named_in(each or "") == "other" else each for each in payloads]
            kept = _replaced(kept, "payload", masked) if masked != payloads else kept
        return kept

    def masks(self, rows: pyarrow.Table) -> int:
        """In how many rows of other accounts' transactions this one is the counterparty."""
        own = pc.equal(rows["account_id"], self.account)
        named = pc.fill_null(pc.equal(rows["counterparty_account"], self.account), False)
        return int(pc.sum(pc.and_not(named, own)).as_py() or 0)

    def _with_counterparty_masked(self, rows: pyarrow.Table) -> pyarrow.Table:
        if not self.masks(rows):
            return rows
        column = rows["counterparty_account"]
        named = pc.fill_null(pc.equal(column, self.account), False)
        return _with_column(rows, "counterparty_account", pc.if_else(named, MASK, column))

    def _with_text_masked(self, rows: pyarrow.Table, name: str) -> pyarrow.Table:
        if len(self.account) < TELLING_LENGTH:
            return rows
        near = pc.match_substring_regex(rows[name], self._written)
        if not pc.any(near).as_py():
            return rows
        texts = rows[name].to_pylist()
        masked = [self.masked(text) if text else text for text in texts]
        return _replaced(rows, name, masked) if masked != texts else rows

    def landing_line(self, line: bytes, key: bytes) -> bytes:
        """A line of the landing's quarantine as it should be. An own record keeps what it counts for, and where it
        stood; its fingerprint is hashed once more, so that copies of it are still known as such."""
        row: Row = json.loads(line)
        named = self.named_in(row.get("payload") or "")
        if named == "own":
            row = {name: row[name] for name in _CONTROL if name in row} | {"payload": MASK}
            row["fingerprint"] = hmac.digest(key, str(row.get("fingerprint")).encode(), "sha256").hex()
        elif named == "other":
            row["payload"] = self.masked_payload(row["payload"])
        else:
            return line
        return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()

    def corrected_line(self, line: bytes) -> bytes | None:
        """A corrected record as it should be; None if it is the account's."""
        text = line.decode("utf-8", "replace")
        named = self.named_in(text)
        return line if not named else None if named == "own" else self.masked_payload(text).encode()


def _among(column: Any, values: Collection[str]) -> pyarrow.Array:
    return pc.is_in(column, value_set=pyarrow.array(sorted(values), pyarrow.string()))


def _replaced(rows: pyarrow.Table, name: str, values: list[str | None]) -> pyarrow.Table:
    return _with_column(rows, name, pyarrow.array(values, rows[name].type))


def _with_column(rows: pyarrow.Table, name: str, column: Any) -> pyarrow.Table:
    """Its field stays, with the id by which readers find the column."""
    place = rows.schema.get_field_index(name)
    return rows.set_column(place, rows.schema.field(place), column)
