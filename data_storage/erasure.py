"""Erases an account: out of the lake's tables and their history, quarantine and warehouse, with a certificate.

    tombstone      written first, so that job and replay keep the account out from here on
    certificate    of what there is, while it is still there: the point from which an erasure only goes forward
    warehouse      one transaction
    lake           rows go, the account is masked where it is another's counterparty, tags move, old files go
    quarantine     the landing's objects and those of corrected records
    books          what is gone is entered beside the kept totals
    certificate    completed

Killed anywhere, the same call completes the work. The loader needs no tombstone: it loads finished runs, an erasure
waits until all of them are loaded, and afterwards no file is left that names the account. A former run whose ledger
row is taken out by hand does not load again: it counts more rows than are left. `rebuild` makes the warehouse anew.
"""

from __future__ import annotations

import gzip
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta

from data_catalog.create_athena_workgroup import RESULTS_PREFIX
from data_catalog.lake_layout import CORRECTED_PREFIX, ERASURES_PREFIX, STAGING_PREFIX
from data_catalog.lake_tables import BY_KIND, LAKE_TABLES
from data_governance.arrivals import Arrivals
from data_governance.kept_totals import Erasure, KeptTotals
from data_governance.lake_reader import LakeReader
from data_governance.tombstones import add_tombstone, masked_form
from data_storage.erasure_certificate import Certificate, MovedTag, RawKept
from data_storage.erasure_rows import Erased
from data_storage.erasure_sql import removal
from data_storage.erasure_survey import Survey, lines_of, survey, survey_warehouse
from data_storage.s3_bucket_setup import BUCKETS, expiration_days
from infrastructure.aws import s3_objects
from infrastructure.aws.iceberg_history import History
from infrastructure.aws.redshift_data import DataApi, WarehouseTarget, execute_batch
from infrastructure.aws.s3_versions import remove_versions

# Where the rows to take out are found by other tables, those come later: killed in between, they still tell.
_ORDER = (
    "transaction_ids", "token_links", "sightings", "fraud_alerts", "fraud_alert_evidence", "quarantine",
    "pending_transactions", "curated",
)  # fmt: skip
assert set(_ORDER) == BY_KIND.keys()

Warehouse = tuple[DataApi, WarehouseTarget]


class AccountErasure:
    """The erasure of one account.

    warehouse: with a login that may change facts; None if there is none. refuse_unsettled: raises PlatformError while a
    run is open or not loaded. bring_up: brings the kept totals up to the lake.
    """

    def __init__(
        self,
        lake: LakeReader,
        account: str,
        warehouse: Warehouse | None,
        refuse_unsettled: Callable[[], None],
        bring_up: Callable[[], None],
    ) -> None:
        self._lake = lake
        self._s3 = lake.s3
        self._account = account
        self._warehouse = warehouse
        self._refuse_unsettled = refuse_unsettled
        self._bring_up = bring_up
        self._curated, self._quarantine = (lake.settings.bucket(purpose) for purpose in ("curated", "quarantine"))

    def dry_run(self) -> Survey:
        """What would go. Changes nothing."""
        found = survey(self._lake, self._account)
        self._add_warehouse(found, "dry-run")
        return found

    def run(self, asked_by: str, now: datetime) -> Certificate:
        """Erase; the certificate. If nothing has come since the last erasure, that one's."""
        self._refuse_unsettled()
        tombstones = add_tombstone(self._s3, self._curated, self._account, now.date())
        self._refuse_unsettled()  # a run that began before it could see the tombstone
        hashed = tombstones.hash_of(self._account)
        former = self._certificates(hashed)
        found = survey(self._lake, self._account)
        if former and former[-1].completed_at is None:
            certificate = former[-1]
        else:
            id_ = f"{hashed[:16]}-{len(former) + 1}"
            self._add_warehouse(found, id_)
            if former and found.is_empty:
                return former[-1]
            certificate = self._begun(found, id_, hashed, asked_by, now)
        self._clear_warehouse(found, certificate.id)
        self._rewrite_tables(found.erased)
        self._rewrite_objects(found, tombstones.key)
        self._remove_versions(certificate.rewritten)
        self._enter(certificate)
        return self._completed(certificate)

    def _add_warehouse(self, found: Survey, salt: str) -> None:
        if self._warehouse is not None:
            survey_warehouse(*self._warehouse, found, salt)

    def _clear_warehouse(self, found: Survey, id_: str) -> None:
        """Before the lake, whose quarantine still says which records of the warehouse's are meant."""
        if self._warehouse is not None:
            data_api, target = self._warehouse
            statements = removal(target.schema, self._account, id_, found.refused_at, found.others_at)
            execute_batch(data_api, target, statements, f"erase-{id_}", uuid.uuid4().hex)

    def _certificates(self, hashed: str) -> list[Certificate]:
        """Those of the account, in their order."""
        keys = s3_objects.keys(self._s3, self._curated, f"{ERASURES_PREFIX}{hashed[:16]}-")
        bodies = s3_objects.bodies(self._s3, self._curated, [key for key in keys if key.endswith(".json")])
        return sorted((Certificate.from_json(body) for _, body in bodies), key=lambda each: each.asked_at)

    def _begun(self, found: Survey, id_: str, hashed: str, asked_by: str, now: datetime) -> Certificate:
        """Count what there is while it is there, and write it down."""
        self._bring_up()
        kept = KeptTotals(self._s3, self._curated)
        certificate = Certificate(
            id=id_,
            account=masked_form(self._account),
            account_hash=hashed,
            asked_by=asked_by,
            asked_at=now,
            removed=found.removed,
            masked=found.masked,
            entry=Erasure(id_, now.date(), found.curated, refused=found.refused, runs=found.runs),
            tags=self._tags(),
            raw=self._raw(found.last_day or now.date()),
            rewritten=[*found.landing, *found.corrected],
            resealed=Arrivals(self._lake, kept.days, timedelta(0), now).unchanged(found.landing_days),
        )
        self._put(certificate)
        return certificate

    def _tags(self) -> list[MovedTag]:
        tables = ((table.name, self._lake.tables(table.name).metadata.refs) for table in LAKE_TABLES)
        return [
            MovedTag(name, tag, ref.snapshot_id, ref.snapshot_id)
            for name, refs in tables
            for tag, ref in sorted(refs.items())
            if ref.snapshot_ref_type == "tag"
        ]

    def _raw(self, last_day: date) -> RawKept:
        settings, spec = self._lake.settings, BUCKETS["raw"]
        days = expiration_days(settings, spec.expire_days)
        until = last_day + timedelta(days=days + spec.old_version_days)
        return RawKept(settings.bucket("raw"), days, spec.old_version_days, until.isoformat())

    def _rewrite_tables(self, erased: Erased) -> None:
        for kind in _ORDER:
            table = BY_KIND[kind]
            history = History(
                self._s3,
                lambda: self._lake.tables(table.name),  # noqa: B023
                lambda rows: erased.change(table, rows),  # noqa: B023
            )
            history.rewrite()
            history.forget()

    def _rewrite_objects(self, found: Survey, key: bytes) -> None:
        erased = found.erased
        for name in found.landing:
            lines = lines_of(name, s3_objects.body(self._s3, self._quarantine, name))
            self._rewrite_object(name, (erased.landing_line(line, key) for line in lines))
        for name in found.corrected:
            lines = lines_of(name, s3_objects.body(self._s3, self._quarantine, name))
            left = [line for line in map(erased.corrected_line, lines) if line is not None]
            if left:
                self._rewrite_object(name, left)
            else:
                self._s3.delete_object(Bucket=self._quarantine, Key=name)

    def _remove_versions(self, rewritten: Iterable[str]) -> None:
        """Former versions of what was written anew; of what people corrected, and runs staged, and then deleted; and
        what Athena answered, which may be of the account."""
        places = [(self._quarantine, key) for key in rewritten]
        places += [(self._quarantine, CORRECTED_PREFIX), (self._curated, STAGING_PREFIX)]
        for bucket, prefix in places:
            remove_versions(self._s3, bucket, prefix, lambda version: not version.current)
        remove_versions(self._s3, self._curated, RESULTS_PREFIX, lambda _: True)

    def _rewrite_object(self, key: str, lines: Iterable[bytes]) -> None:
        body = b"".join(line + b"\n" for line in lines)
        body = gzip.compress(body, mtime=0) if key.endswith(".gz") else body
        self._s3.put_object(Bucket=self._quarantine, Key=key, Body=body)

    def _enter(self, certificate: Certificate) -> None:
        """Keep the books right: what is gone, and days whose objects count for the same as before."""
        kept = KeptTotals(self._s3, self._curated)
        kept.add_erasure(certificate.entry)
        Arrivals(self._lake, kept.days, timedelta(0), certificate.asked_at).take_as_counted(certificate.resealed)
        kept.keep()

    def _completed(self, certificate: Certificate) -> Certificate:
        refs = {table.name: self._lake.tables(table.name).metadata.refs for table in LAKE_TABLES}
        tags = [
            MovedTag(each.table, each.tag, each.old, refs[each.table][each.tag].snapshot_id)
            for each in certificate.tags
            if each.tag in refs[each.table] and refs[each.table][each.tag].snapshot_id != each.old
        ]
        done = certificate.completed(datetime.now(UTC), tags)
        self._s3.put_object(
            Bucket=self._curated, Key=done.page_key, Body=done.to_html(), ContentType="text/html; charset=utf-8"
        )
        self._put(done)  # last: as long as it is not there, the erasure is not completed
        return done

    def _put(self, certificate: Certificate) -> None:
        self._s3.put_object(
            Bucket=self._curated, Key=certificate.key, Body=certificate.to_json(), ContentType="application/json"
        )
