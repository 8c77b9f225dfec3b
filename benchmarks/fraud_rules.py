"""How well the fraud rules find made-up fraud, by rule and by amount, and what they cost.

    python benchmarks/fraud_rules.py [--rules FILE] [--transactions 200000] [--frauds 100]

Two sources: the generator's feed with its scenarios and their honest likenesses, and finforge's labelled data (MIT,
made independently of these rules; left out by name if it is not installed). The rules are evaluated by the job's own
code on local Spark. docs/fraud_rules.md has the tables.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from data_catalog.transaction_contract import CURATED_FIELDS, spark_ddl, typed_columns
from data_ingestion.fraud_scenarios import PER_EURO, scenarios, write_labels
from data_ingestion.transaction_generator import generate_with_fraud
from data_processing.fraud_rule_file import read_rules, shipped_rules
from data_processing.fraud_rules import COLUMNS, Rule

SEED = 17
_TYPES = dict(typed_columns(CURATED_FIELDS))
_NAMES = (*COLUMNS, "counterparty_account")
SCHEMA = spark_ddl([(name, _TYPES[name]) for name in _NAMES])
_NOT_ALWAYS = ("card_token", "merchant_country", "counterparty_account")
# finforge tells categories, no channels. Its amounts have no currency; they are taken for US dollars.
_TRANSFERS = {
    "transfer", "income", "business_income", "vendor_payment", "payroll", "tax", "professional_services", "housing",
    "utilities", "insurance", "office_rent", "inventory",
}  # fmt: skip


@dataclass
class Labelled:
    """A source: rows of SCHEMA, and of each fraud its kind and the amounts of its transactions, by their ids."""

    name: str
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    frauds: dict[str, tuple[str, dict[str, float]]] = field(default_factory=dict)


@dataclass
class Found:
    """What a rule's alerts rest on: by alert, the ids of transactions and their amounts in euros."""

    alerts: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))


def generated(transactions: int, frauds: int) -> Labelled:
    """The generator's feed, with scenarios. Records that the landing would refuse are left out."""
    source = Labelled(f"generated ({transactions:,} records, {frauds} frauds of each kind)")
    told = list(scenarios(frauds, SEED, honest=10))
    labels = io.StringIO()
    write_labels(told, labels)
    labels.seek(0)
    for label in csv.DictReader(labels):
        _, amounts = source.frauds.setdefault(label["scenario_id"], (label["scenario"], {}))
        amounts[label["transaction_id"]] = float(label["euros"])
    for number, record in enumerate(generate_with_fraud(transactions, SEED, told)):
        try:
            source.rows.append(_row(json.loads(record), number))
        except (ValueError, KeyError, ArithmeticError, TypeError):
            continue
    return source


def _row(sent: dict[str, Any], number: int) -> tuple[Any, ...]:
    happened = datetime.fromisoformat(sent["event_time"]).astimezone(UTC)
    card = sent.get("card_number")
    values = sent | {
        "content_hash": f"h{number}",
        "amount": Decimal(sent["amount"]).quantize(Decimal("0.0001")),
        "event_time": happened,
        "event_date": happened.date(),
        "card_token": card and hashlib.sha256(card.encode()).hexdigest(),
        "run_id": "run",
    }
    return tuple(values.get(name) if name in _NOT_ALWAYS else values[name] for name in _NAMES)


def of_finforge(users: int) -> Labelled | None:
    """finforge's labelled data; None without the package."""
    try:
        from finforge import DatasetGenerator
    except ImportError:
        return None
    source = Labelled(f"finforge 3.0.0 ({users} users, 3 months, 3% fraud)")
    made = DatasetGenerator(seed=SEED).with_users(users).with_persona("mixed").for_months(3).with_fraud(rate=0.03)
    for number, each in enumerate(made.generate().to_dict("records")):
        is_card = each["category"] not in _TRANSFERS
        is_debit = each["transaction_type"] == "debit"
        sent = {
            "transaction_id": each["transaction_id"],
            "account_id": each["user_id"],
            "transaction_type": "CARD_PURCHASE" if is_card else "TRANSFER",
            "credit_debit_indicator": "DBIT" if is_debit else "CRDT",
            "status": "BOOKED",
            "channel": "WEB",
            "amount": str(abs(each["amount"])),
            "currency": "USD",
            "event_time": each["timestamp"].to_pydatetime().replace(tzinfo=UTC).isoformat(),
            "card_number": each["user_id"] if is_card else None,
        }
        source.rows.append(_row(sent, number))
        if each["is_fraud"]:
            _, amounts = source.frauds.setdefault(each["fraud_scenario_id"], (each["fraud_type"], {}))
            amounts[each["transaction_id"]] = abs(each["amount"])
    return source


def evaluated(spark: Any, source: Labelled, rules: Sequence[Rule]) -> tuple[dict[str, Found], float]:
    """What each rule finds, and the CPU seconds of the JVM on a second evaluation, once all code is compiled."""
    from data_processing import fraud_rules_in_spark, sightings

    def evaluate(rows: Any) -> Any:
        transactions = rows.select(*COLUMNS)
        if not any(rule.history for rule in rules):
            return fraud_rules_in_spark.evidence(transactions, rules, "run")
        seen = sightings.sightings(rows).persist()
        unforeseen = sightings.unforeseen(rows, rules, seen)
        found = fraud_rules_in_spark.evidence(transactions, rules, "run", unforeseen)
        seen.unpersist()
        return found

    with tempfile.TemporaryDirectory() as directory:
        spark.createDataFrame(source.rows, SCHEMA).write.mode("overwrite").parquet(directory)
        rows = spark.read.schema(SCHEMA).parquet(directory)
        evaluate(rows).unpersist()
        began = cpu_seconds(spark)
        evidence = evaluate(rows)
        took = cpu_seconds(spark) - began
        found = {rule.name: Found() for rule in rules}
        for each in evidence.collect():
            euros = float(each["amount"]) / PER_EURO[each["currency"]]
            found[each["rule"]].alerts[each["alert_id"]][each["transaction_id"]] = euros
        evidence.unpersist()
    return found, took


def cpu_seconds(spark: Any) -> float:
    """What the JVM of a local session has used so far."""
    process = spark.sparkContext._jvm.java.lang.ProcessHandle.current().pid()
    ticks = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")


def print_by_rule(source: Labelled, found: dict[str, Found]) -> None:
    """Precision of each rule's alerts and, where frauds of its kind are labelled, recall."""
    fraudulent = {id_: euros for _, amounts in source.frauds.values() for id_, euros in amounts.items()}
    print(f"\n{source.name}: alerts that rest on a labelled fraud, and frauds of the rule's kind that it found")
    print("\n| rule | alerts | precision | precision by amount | frauds | recall | recall by amount |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for rule, each in found.items():
        right = [rests_on for rests_on in each.alerts.values() if rests_on.keys() & fraudulent.keys()]
        amount = sum(sum(rests_on.values()) for rests_on in each.alerts.values())
        right_amount = sum(value for rests_on in right for id_, value in rests_on.items() if id_ in fraudulent)
        own = [amounts for kind, amounts in source.frauds.values() if kind == rule]
        cells = [rule, str(len(each.alerts)), share(len(right), len(each.alerts)), share(right_amount, amount)]
        print("| " + " | ".join(cells + recalled(own, {rule: each})) + " |")


def print_by_kind(source: Labelled, found: dict[str, Found]) -> None:
    """Recall of each kind of fraud by whatever rule."""
    print(f"\n{source.name}: frauds that any rule found")
    print("\n| kind | frauds | recall | recall by amount |\n|---|---:|---:|---:|")
    for wanted in sorted({kind for kind, _ in source.frauds.values()}):
        own = [amounts for kind, amounts in source.frauds.values() if kind == wanted]
        print("| " + " | ".join([wanted, *recalled(own, found)]) + " |")


def recalled(frauds: Sequence[dict[str, float]], found: dict[str, Found]) -> list[str]:
    """How many frauds there are, the share that an alert rests on, and the share of their amounts in evidence."""
    in_evidence = {id_ for each in found.values() for rests_on in each.alerts.values() for id_ in rests_on}
    hits = sum(1 for amounts in frauds if amounts.keys() & in_evidence)
    seen = sum(value for amounts in frauds for id_, value in amounts.items() if id_ in in_evidence)
    return [str(len(frauds)), share(hits, len(frauds)), share(seen, sum(sum(each.values()) for each in frauds))]


def share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f}%" if whole else ""


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rules", type=Path, help="a file of fraud rules; the shipped ones by default")
    parser.add_argument("--transactions", type=int, default=200_000)
    parser.add_argument("--frauds", type=int, default=100, help="of each kind")
    parser.add_argument("--users", type=int, default=500, help="of finforge")
    options = parser.parse_args(None if arguments is None else list(arguments))
    rules = read_rules(options.rules) if options.rules else shipped_rules()

    from infrastructure.local.glue_job import java_options, spark_environment
    from infrastructure.local.java import find_java

    with tempfile.TemporaryDirectory() as directory:
        os.environ |= spark_environment(find_java(), Path(directory), java_options(options.transactions))
        from pyspark.sql import SparkSession

        from data_processing.spark_session import configure

        spark = configure(SparkSession.builder.getOrCreate())
        spark.conf.set("spark.sql.shuffle.partitions", "2")
        for source in (generated(options.transactions, options.frauds), of_finforge(options.users)):
            if source is None:
                print("\nfinforge is not installed: left out (benchmarks/requirements.txt pins it)")
                continue
            began = time.monotonic()
            found, cpu = evaluated(spark, source, rules)
            print_by_rule(source, found)
            print_by_kind(source, found)
            print(
                f"\n{len(source.rows):,} rows, {len(rules)} rules: {cpu:.1f} CPU s once warm "
                f"({time.monotonic() - began:.0f} s in all)"
            )
        spark.stop()


if __name__ == "__main__":
    main()
