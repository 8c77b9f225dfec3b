"""What stands inside the warehouse: schema, tables, roles, grants and the lake's external schema.

The scripts are safe to run again, so that a crash between them is healed by the next apply.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from data_storage.warehouse_security import SECURITY_SQL, apply_security
from data_storage.warehouse_tables import TABLES_SQL, create_tables
from infrastructure.aws.redshift_data import WarehouseTarget, execute, query


@dataclass(frozen=True, slots=True)
class WarehouseContents:
    """What stands in the warehouse, and what it needs to know of the outside.

    copy_role_arn: the IAM role that reads the lake; job_role: name of the IAM role that loads; spectrum_database: the
    Glue database under the external schema; shared: others work in the warehouse too; auditor_roles: names of the IAM
    roles whose people may reconcile.
    """

    schema: str
    copy_role_arn: str
    job_role: str
    spectrum_database: str
    shared: bool
    auditor_roles: tuple[str, ...] = ()

    @property
    def job_user(self) -> str:
        """The database user that a session of the job's role is; it logs in by IAM alone."""
        return _user_of(self.job_role)

    @property
    def auditors(self) -> list[str]:
        """The database users that sessions of the auditors' roles are."""
        return [_user_of(role) for role in self.auditor_roles]

    def grants(self) -> list[str]:
        """The roles of job and auditors, who may make COPY read the lake, and who sees the lake itself.

        Without ASSUMEROLE privileges any user could copy the lake's files into a table without masks. Taking them from
        PUBLIC concerns every IAM role of a warehouse, so that is left to the owner where it is shared. The external
        schema is for the one role that sees card fields in clear: masks end at the warehouse's own tables.
        """
        external = f"{self.schema}_lake"
        return [
            f'GRANT ROLE loader TO "{self.job_user}"',
            *(f'GRANT ROLE auditor TO "{user}"' for user in self.auditors),
            *([] if self.shared else ["REVOKE ASSUMEROLE ON ALL FROM PUBLIC FOR ALL"]),
            f"GRANT ASSUMEROLE ON '{self.copy_role_arn}' TO ROLE loader FOR COPY",
            f"CREATE EXTERNAL SCHEMA IF NOT EXISTS {external} FROM DATA CATALOG "
            f"DATABASE '{self.spectrum_database}' IAM_ROLE '{self.copy_role_arn}'",
            f"GRANT USAGE ON SCHEMA {external} TO ROLE fraud_analyst",
        ]

    def version(self) -> str:
        """The hash of all that make() runs."""
        scripts = [path.read_text(encoding="utf-8") for path in (TABLES_SQL, SECURITY_SQL)]
        return hashlib.sha256("\0".join([*scripts, self.schema, *self.grants()]).encode()).hexdigest()

    def make(self, data_api: Any, target: WarehouseTarget) -> None:
        """Run it as the warehouse's administrator. All of it can be run again; an error names the statement."""
        create_tables(data_api, target)
        apply_security(data_api, target)
        for user in (self.job_user, *self.auditors):
            # Redshift may keep a name in lower case, whatever it was created as.
            if not query(data_api, target, f"SELECT 1 FROM pg_user WHERE lower(usename) = lower('{user}')"):
                execute(data_api, target, f'CREATE USER "{user}" PASSWORD DISABLE')
        for statement in self.grants():
            execute(data_api, target, statement)


def _user_of(role: str) -> str:
    """The database user that Redshift makes of an IAM role's session."""
    return f"IAMR:{role}"
