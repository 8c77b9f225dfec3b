"""What the fraud rules raise on a run, and the sightings that it adds for those that rest on what is new."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from data_catalog.lake_tables import BY_KIND
from data_catalog.transaction_contract import (
    CURATED_FIELDS,
    FRAUD_ALERT_EVIDENCE_FIELDS,
    FRAUD_ALERT_FIELDS,
    SIGHTING_FIELDS,
    Field,
    spark_ddl,
    typed_columns,
)
from data_processing import fraud_rules_in_spark, sightings, token_links
from data_processing.former_runs import FormerRuns
from data_processing.fraud_rules import COLUMNS, Rule
from data_processing.staged_totals import CURATED_KINDS
from data_processing.transformations import with_ids
from data_processing.written_tables import Files, WrittenTables

_LOOKED_AT_SCHEMA = spark_ddl([each for each in typed_columns(CURATED_FIELDS) if each[0] in COLUMNS])


class RunAlerts:
    """The alerts of a run whose curated transactions are of these event dates.

    is_small: so few are curated that their ids can be sent to where former rows are read.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        run_id: str,
        former: FormerRuns,
        written: WrittenTables,
        event_dates: Collection[date],
        is_small: bool,
    ) -> None:
        self._rules = rules
        self._run_id = run_id
        self._former = former
        self._written = written
        self._event_dates = event_dates
        self._looked_at = sorted(fraud_rules_in_spark.dates_looked_at(event_dates))
        self._is_small = is_small

    def files(self, curated: DataFrame, links: DataFrame | None) -> Files:
        """Write sightings, alerts and their evidence, as far as former runs have not published them; their files.

        curated: the run's transactions (READ). links: of cards' tokens; None without.
        """
        firsts = token_links.first_tokens(links, curated)
        new = token_links.by_first_token(curated, firsts)
        held, files = self._sightings(new)
        earlier = self._earlier(new, firsts)
        own = new.select(*COLUMNS)
        evidence = fraud_rules_in_spark.evidence(
            own if earlier is None else own.unionByName(earlier),
            self._rules,
            self._run_id,
            self._unforeseen(new, held, bool(files)),
        )
        try:
            if evidence.isEmpty():
                return files
            files += self._beyond_former(
                "fraud_alert_evidence", evidence, FRAUD_ALERT_EVIDENCE_FIELDS,
                ("alert_id", "transaction_id", "content_hash"),
            )  # fmt: skip
            alerts = fraud_rules_in_spark.alerts(evidence)
            return files + self._beyond_former("fraud_alerts", alerts, FRAUD_ALERT_FIELDS, ("alert_id",))
        finally:
            for each in (evidence, firsts, held, earlier):
                if each is not None:
                    each.unpersist()

    def _earlier(self, new: DataFrame, firsts: DataFrame | None) -> DataFrame | None:
        """Former transactions that may stand in a window with the run's, persisted, because each step of the rules
        reads them anew; None without."""
        found: list[DataFrame] = []
        for kind in CURATED_KINDS.values():
            if (earlier := self._former.rows(kind, self._looked_at, _LOOKED_AT_SCHEMA)) is not None:
                earlier = token_links.by_first_token(earlier, firsts)
                found.append(fraud_rules_in_spark.related(earlier, new, self._is_small))
        return reduce(DataFrame.unionByName, found).persist() if found else None

    def _sightings(self, new: DataFrame) -> tuple[DataFrame | None, Files]:
        """What is held of the run's accounts and pairs, persisted, None if nothing; and the files of what it adds."""
        found = sightings.sightings(new)
        held = self._former.rows("sightings", sightings.months_looked_at(self._event_dates), sightings.HELD)
        if held is not None:
            found = found.persist()  # asked for twice
            held = sightings.of_same(held, found, self._is_small).persist()
        added = sightings.beyond(found, held, self._run_id)
        named = added.select(*with_ids(SIGHTING_FIELDS), F.date_format("event_date", "yyyy-MM").alias("slice"))
        files = self._written.write("sightings", named, BY_KIND["sightings"].sorted_by)
        found.unpersist()
        return held, files

    def _unforeseen(self, new: DataFrame, held: DataFrame | None, has_added: bool) -> DataFrame | None:
        seen = [] if held is None else [held]
        if has_added:
            seen.append(self._written.read("sightings", sightings.HELD).select(*sightings.NAMES))
        if not seen or not any(rule.history for rule in self._rules):
            return None
        return sightings.unforeseen(new, self._rules, reduce(DataFrame.unionByName, seen))

    def _beyond_former(self, kind: str, rows: DataFrame, fields: Sequence[Field], key: Sequence[str]) -> Files:
        """Write the rows whose key no former run published; returns their files."""
        columns = spark_ddl([column for column in typed_columns(fields) if column[0] in key])
        if (published := self._former.rows(kind, self._looked_at, columns)) is not None:
            rows = rows.join(published.select(*key).distinct(), list(key), "left_anti")
        named = rows.select(*with_ids(fields), F.col("event_date").cast("string").alias("slice"))
        return self._written.write(kind, named, key)
