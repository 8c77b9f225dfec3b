"""The inside of the warehouse: schema, tables, roles, grants and the lake's external schema.

The scripts can be run again safely, so a crash between them is repaired by the next apply.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from data_storage.sql_scripts import run_script
from data_storage.warehouse_comments import codes_statements, explain_warehouse
from data_storage.warehouse_dictionary import comment_statements, relations
from data_storage.warehouse_security import SECURITY_SQL, apply_security
from data_storage.warehouse_tables import TABLES_SQL, create_tables, views_script
from infrastructure.aws.redshift_data import DataApi, WarehouseTarget, execute, query


@dataclass(frozen=True, slots=True)
class WarehouseContents:
    """What stands in the warehouse, and the names outside of it that it needs.

    The lake's external schema is apart from the rest. If Redshift refuses it or its grant to a role, nothing else waits
    for it: neither the tables nor the job that loads them.

    copy_role_arn: the IAM role that reads the lake; job_role: name of the IAM role that loads; glue_database: the
    Glue database behind the external schema; shared: others work in the warehouse too; auditor_roles: names of the IAM
    roles that may reconcile.
    """

    schema: str
    copy_role_arn: str
    job_role: str
    glue_database: str
    shared: bool
    pending_expiry_days: int
    auditor_roles: tuple[str, ...] = ()

    @property
    def job_user(self) -> str:
        """The database user of the job's role, which logs in by IAM alone."""
        return _user_of(self.job_role)

    @property
    def auditors(self) -> list[str]:
        """The database users of the auditors' roles."""
        return [_user_of(role) for role in self.auditor_roles]

    def grants(self) -> list[str]:
        """The roles of job and auditors, and who may let COPY read the lake.

        Without ASSUMEROLE privileges any user could copy the lake's files into a table without masks. Taking them from
        PUBLIC affects every IAM role of a warehouse, so in a shared one its owner has to do that.
        """
        return [
            f'GRANT ROLE loader TO "{self.job_user}"',
            *(f'GRANT ROLE auditor TO "{user}"' for user in self.auditors),
            *([] if self.shared else ["REVOKE ASSUMEROLE ON ALL FROM PUBLIC FOR ALL"]),
            f"GRANT ASSUMEROLE ON '{self.copy_role_arn}' TO ROLE loader FOR COPY",
        ]

    @property
    def lake_schema(self) -> str:
        """The external schema through which the lake's tables are read."""
        return f"{self.schema}_lake"

    def lake_statements(self) -> list[str]:
        """The external schema, and who sees it: only the role that sees card fields in clear, because masks cover only
        the warehouse's own tables.
        """
        return [
            f"CREATE EXTERNAL SCHEMA IF NOT EXISTS {self.lake_schema} FROM DATA CATALOG "
            f"DATABASE '{self.glue_database}' IAM_ROLE '{self.copy_role_arn}'",
            f"GRANT USAGE ON SCHEMA {self.lake_schema} TO ROLE fraud_analyst",
        ]

    def lake_version(self) -> str:
        """The hash of what make_lake() runs."""
        return hashlib.sha256("\0".join(self.lake_statements()).encode()).hexdigest()

    def make_lake(self, data_api: DataApi, target: WarehouseTarget) -> None:
        """Run it as the warehouse's administrator. It can be run again."""
        for statement in self.lake_statements():
            execute(data_api, target, statement)

    def version(self) -> str:
        """The hash of everything that make() runs."""
        scripts = [path.read_text(encoding="utf-8") for path in (TABLES_SQL, SECURITY_SQL)]
        views = views_script(self.pending_expiry_days)
        comments = comment_statements(self.schema, relations(self.pending_expiry_days), {})
        parts = [*scripts, views, *codes_statements(self.schema), *comments, self.schema, *self.grants()]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def make(self, data_api: DataApi, target: WarehouseTarget) -> None:
        """Run all of it as the warehouse's administrator. It can be run again; an error names the statement."""
        create_tables(data_api, target)
        apply_security(data_api, target)
        run_script(data_api, target, views_script(self.pending_expiry_days))
        explain_warehouse(data_api, target, self.pending_expiry_days)
        for user in (self.job_user, *self.auditors):
            # Redshift may have stored a name in lower case, however it was written.
            if not query(data_api, target, f"SELECT 1 FROM pg_user WHERE lower(usename) = lower('{user}')"):
                execute(data_api, target, f'CREATE USER "{user}" PASSWORD DISABLE')
        for statement in self.grants():
            execute(data_api, target, statement)


def _user_of(role: str) -> str:
    """The database user that Redshift derives from an IAM role's session."""
    return f"IAMR:{role}"
