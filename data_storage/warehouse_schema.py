"""The warehouse's inside to the planner: schema, tables, roles, grants and the lake's external schema, as one thing.

Which version of the scripts stands in a warehouse is told by a tag on its workgroup or cluster, so that a plan needs no
SQL: the tag is written after the last statement. The scripts are safe to run again, so that a crash between them is
healed by the next apply.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, ClassVar

from data_storage.data_api import WarehouseTarget, execute, query
from data_storage.warehouse_security import SECURITY_SQL, apply_security
from data_storage.warehouse_tables import TABLES_SQL, create_tables
from infrastructure.errors import PlatformError
from infrastructure.remedies import error_code
from infrastructure.resource import Properties, Remains, Resource
from infrastructure.tags import tag_dict


@dataclass(frozen=True, slots=True)
class Inside:
    """What stands in the warehouse, and what it needs to know of the outside.

    copy_role_arn: the IAM role that reads the lake; job_role: name of the IAM role that loads; spectrum_database: the
    Glue database under the external schema; shared: others work in the warehouse too; auditor_roles: names of the IAM
    roles whose people may reconcile.
    """

    database: str
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


@dataclass(frozen=True, slots=True)
class Place:
    """Where a warehouse is. arn and tags: of its workgroup or cluster; target: how its administrator logs in."""

    arn: str
    tags: dict[str, str]
    target: WarehouseTarget


@dataclass(kw_only=True, eq=False)
class WarehouseSchema(Resource):
    """Everything inside a workgroup or a cluster (one of the two is named; cluster_arn goes with the latter).

    tag: holds the version, one for each environment that shares the warehouse.
    """

    type: ClassVar[str] = "Warehouse::Schema"

    inside: Inside
    tag: str
    workgroup: str = ""
    cluster: str = ""
    cluster_arn: str = ""

    def read(self) -> Properties | None:
        place = self._place()
        version = place.tags.get(self.tag) if place else None
        return {"Version": version} if version else None

    def create(self, properties: Properties) -> None:
        place = self._place()
        if place is None:
            raise PlatformError(
                f"warehouse {self.workgroup or self.cluster}",
                "does not exist",
                "Correct REDSHIFT_WORKGROUP or REDSHIFT_CLUSTER, or leave both empty to have one made.",
            )
        self.inside.make(self.clients("redshift-data"), place.target)
        self._mark(place.arn, properties["Version"])

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        self.create(properties)

    def delete(self) -> Remains | None:
        """It goes with the platform's own warehouse, and stays in one that is shared."""
        if self.inside.shared:
            return Remains(f"schema {self.inside.schema} stays in {self.workgroup or self.cluster}: drop it there")
        return None

    def _place(self) -> Place | None:
        return self._in_workgroup() if self.workgroup else self._in_cluster()

    def _in_workgroup(self) -> Place | None:
        serverless = self.clients("redshift-serverless")
        try:
            workgroup = serverless.get_workgroup(workgroupName=self.workgroup)["workgroup"]
        except serverless.exceptions.ResourceNotFoundException:
            return None
        namespace = serverless.get_namespace(namespaceName=workgroup["namespaceName"])["namespace"]
        tags = serverless.list_tags_for_resource(resourceArn=workgroup["workgroupArn"])["tags"]
        target = self._target(workgroup=self.workgroup, secret_arn=namespace.get("adminPasswordSecretArn"))
        return Place(workgroup["workgroupArn"], {tag["key"]: tag["value"] for tag in tags}, target)

    def _in_cluster(self) -> Place | None:
        try:
            (cluster,) = self.clients("redshift").describe_clusters(ClusterIdentifier=self.cluster)["Clusters"]
        except self.clients("redshift").exceptions.ClientError as error:
            if error_code(error) in ("ClusterNotFound", "ClusterNotFoundFault"):
                return None
            raise
        secret = cluster.get("MasterPasswordSecretArn")
        user = None if secret else cluster["MasterUsername"]
        target = self._target(cluster=self.cluster, secret_arn=secret, db_user=user)
        return Place(self.cluster_arn, tag_dict(cluster.get("Tags", [])), target)

    def _target(self, **where: str | None) -> WarehouseTarget:
        return WarehouseTarget(self.inside.database, self.inside.schema, self.inside.copy_role_arn, **where)

    def _mark(self, arn: str, version: str) -> None:
        if self.workgroup:
            tag = {"key": self.tag, "value": version}
            self.clients("redshift-serverless").tag_resource(resourceArn=arn, tags=[tag])
        else:
            self.clients("redshift").create_tags(ResourceName=arn, Tags=[{"Key": self.tag, "Value": version}])


@dataclass(kw_only=True, eq=False)
class ExistingWorkgroup(Resource):
    """A workgroup that the bank has already: looked up for its ARN, never made, changed or removed."""

    type: ClassVar[str] = "AWS::RedshiftServerless::Workgroup"

    def read(self) -> Properties | None:
        serverless = self.clients("redshift-serverless")
        try:
            found = serverless.get_workgroup(workgroupName=self.name)["workgroup"]
        except serverless.exceptions.ResourceNotFoundException:
            return None
        return {"Arn": found["workgroupArn"]}

    def create(self, properties: Properties) -> None:
        raise PlatformError(
            f"workgroup {self.name}",
            "does not exist",
            "Correct REDSHIFT_WORKGROUP, or leave it empty to have a workgroup made.",
        )

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        """There is nothing to change."""

    def delete(self) -> Remains | None:
        """It is not the platform's."""
        return None
