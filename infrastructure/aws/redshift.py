"""The inside of a warehouse, as one resource to the planner: whatever its owner's SQL makes there.

A tag on the workgroup or cluster holds the version of the SQL that was run, so that a plan needs no SQL. The tag is
written after the last statement, and the SQL can be run again: a crash between two statements is repaired by the next
apply.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from infrastructure.aws.redshift_data import WarehouseTarget
from infrastructure.aws.tags import tag_dict
from infrastructure.errors import PlatformError
from infrastructure.planning.aws_errors import error_code
from infrastructure.planning.resource import DeletionPending, Properties, Resource


@dataclass(frozen=True, slots=True)
class WarehouseLocation:
    """Where a warehouse is. arn, tags: of its workgroup or cluster; admin: how its administrator logs in."""

    arn: str
    tags: dict[str, str]
    admin: WarehouseTarget


@dataclass(kw_only=True, eq=False)
class WarehouseSchema(Resource):
    """Everything inside the warehouse that target addresses: a workgroup, or a cluster (then cluster_arn is given).

    make(data_api, admin) runs the SQL as the administrator; tag: the tag that holds the version, one for each
    environment that shares the warehouse; shared: others work in the warehouse too, so nothing is dropped there.
    """

    type: ClassVar[str] = "Warehouse::Schema"
    permissions: ClassVar[str] = (
        "redshift-data:BatchExecuteStatement redshift-data:DescribeStatement redshift-data:ExecuteStatement "
        "redshift-data:GetStatementResult redshift-serverless:GetNamespace redshift-serverless:GetWorkgroup "
        "redshift-serverless:ListTagsForResource redshift-serverless:TagResource redshift:CreateTags "
        "redshift:DescribeClusters"
    )
    implied: ClassVar[str] = "kms:Decrypt secretsmanager:GetSecretValue"

    target: WarehouseTarget
    make: Callable[[Any, WarehouseTarget], None]
    tag: str
    shared: bool
    cluster_arn: str = ""

    def read(self) -> Properties | None:
        location = self.location()
        version = location.tags.get(self.tag) if location else None
        return {"Version": version} if version else None

    def create(self, properties: Properties) -> None:
        location = self.location()
        if location is None:
            raise PlatformError(
                self.target.name,
                "does not exist",
                "Correct REDSHIFT_WORKGROUP or REDSHIFT_CLUSTER, or leave both empty to have one made.",
            )
        self.make(self.clients("redshift-data"), location.admin)
        self._mark(location.arn, properties["Version"])

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        self.create(properties)

    def delete(self) -> DeletionPending | None:
        """Nothing to do: it goes with the platform's own warehouse. In a shared warehouse it stays."""
        if self.shared:
            where = self.target.workgroup or self.target.cluster
            return DeletionPending(f"schema {self.target.schema} stays in {where}: drop it there")
        return None

    def location(self) -> WarehouseLocation | None:
        """Where the warehouse is and how its administrator logs in; None if it does not exist."""
        return self._in_workgroup() if self.target.workgroup else self._in_cluster()

    def _in_workgroup(self) -> WarehouseLocation | None:
        serverless = self.clients("redshift-serverless")
        try:
            workgroup = serverless.get_workgroup(workgroupName=self.target.workgroup)["workgroup"]
        except serverless.exceptions.ResourceNotFoundException:
            return None
        namespace = serverless.get_namespace(namespaceName=workgroup["namespaceName"])["namespace"]
        tags = serverless.list_tags_for_resource(resourceArn=workgroup["workgroupArn"])["tags"]
        admin = self.target.as_admin(secret_arn=namespace.get("adminPasswordSecretArn"))
        return WarehouseLocation(workgroup["workgroupArn"], {tag["key"]: tag["value"] for tag in tags}, admin)

    def _in_cluster(self) -> WarehouseLocation | None:
        try:
            found = self.clients("redshift").describe_clusters(ClusterIdentifier=self.target.cluster)
        except self.clients("redshift").exceptions.ClientError as error:
            if error_code(error) in ("ClusterNotFound", "ClusterNotFoundFault"):
                return None
            raise
        (cluster,) = found["Clusters"]
        secret = cluster.get("MasterPasswordSecretArn")
        admin = self.target.as_admin(secret_arn=secret, db_user=None if secret else cluster["MasterUsername"])
        return WarehouseLocation(self.cluster_arn, tag_dict(cluster.get("Tags", [])), admin)

    def _mark(self, arn: str, version: str) -> None:
        if self.target.workgroup:
            tag = {"key": self.tag, "value": version}
            self.clients("redshift-serverless").tag_resource(resourceArn=arn, tags=[tag])
        else:
            self.clients("redshift").create_tags(ResourceName=arn, Tags=[{"Key": self.tag, "Value": version}])
