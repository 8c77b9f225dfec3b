"""A route from the warehouse's subnets to S3 that stays inside AWS's network.

With enhanced VPC routing, COPY goes through the warehouse's subnets. Without a gateway endpoint (or a NAT) in their
route tables it waits for S3 until it fails.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from infrastructure.aws.tags import tag_dict, tag_list
from infrastructure.errors import PlatformError
from infrastructure.planning.resource import Clients, DeletionPending, Properties, Resource

# What EC2 gives a gateway endpoint. Who may do what is said by the buckets' policies and the roles.
_EVERYTHING = {
    "Version": "2008-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
}
_LIVING = ("pendingacceptance", "pending", "available")


@dataclass(kw_only=True, eq=False)
class S3GatewayEndpoint(Resource):
    """Gateway endpoints to S3 in the route tables of some subnets of one VPC (subnet_ids gives them).

    A bank's network often has such endpoints: a subnet is served if any of them is in its route table. For the
    remaining subnets the platform makes an endpoint of its own, which it recognises by its tags; it never changes or
    removes another.
    """

    type: ClassVar[str] = "AWS::EC2::VPCEndpoint"
    permissions: ClassVar[str] = (
        "ec2:CreateVpcEndpoint ec2:DeleteVpcEndpoints ec2:DescribeRouteTables ec2:DescribeSubnets "
        "ec2:DescribeVpcEndpoints ec2:ModifyVpcEndpoint"
    )
    implied: ClassVar[str] = "ec2:CreateTags"
    unordered: ClassVar[frozenset[str]] = frozenset({"ServedSubnets"})
    policies: ClassVar[frozenset[str]] = frozenset({"PolicyDocument"})

    region: str
    subnet_ids: Callable[[], tuple[str, ...]]
    tags: dict[str, str]

    @property
    def unset(self) -> Properties:
        return {"PolicyDocument": _EVERYTHING}  # a narrower one would end COPY

    def read(self) -> Properties | None:
        endpoints = self._endpoints() if self.subnet_ids() else []
        if not endpoints:
            return None
        routed = {table for endpoint in endpoints for table in endpoint["RouteTableIds"]}
        own = self._own_of(endpoints) or {}
        return {
            "ServedSubnets": [subnet for subnet, table in self._route_tables().items() if table in routed],
            "PolicyDocument": own.get("PolicyDocument") or _EVERYTHING,
        }

    def create(self, properties: Properties) -> None:
        self._ec2.create_vpc_endpoint(
            VpcId=self._vpc(),
            ServiceName=self._service,
            VpcEndpointType="Gateway",
            RouteTableIds=self._missing(),
            TagSpecifications=[{"ResourceType": "vpc-endpoint", "Tags": tag_list(self._own_tags)}],
        )

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        own = self._own()
        if own is None:
            self.create(properties)
            return
        changes: dict[str, Any] = {}
        if "ServedSubnets" in changed:
            changes["AddRouteTableIds"] = self._missing()
        if "PolicyDocument" in changed:
            changes["PolicyDocument"] = json.dumps(_EVERYTHING)
        self._ec2.modify_vpc_endpoint(VpcEndpointId=own["VpcEndpointId"], **changes)

    def delete(self) -> DeletionPending | None:
        own = self._own() if self.subnet_ids() else None
        if own is not None:
            self._ec2.delete_vpc_endpoints(VpcEndpointIds=[own["VpcEndpointId"]])
        return None

    @property
    def _own_tags(self) -> dict[str, str]:
        return {"Name": self.name} | self.tags

    @property
    def _ec2(self) -> Any:
        return self.clients("ec2")

    @property
    def _service(self) -> str:
        return f"com.amazonaws.{self.region}.s3"

    def _vpc(self) -> str:
        try:
            subnets = self._ec2.describe_subnets(SubnetIds=list(self.subnet_ids()))["Subnets"]
        except self._ec2.exceptions.ClientError as error:
            raise PlatformError(
                "REDSHIFT_SUBNET_IDS",
                f"cannot be looked up ({error.response['Error']['Code']})",
                "Name subnets of this account and region, and allow ec2:DescribeSubnets.",
            ) from error
        found = {subnet["VpcId"] for subnet in subnets}
        if len(found) != 1:
            raise PlatformError("REDSHIFT_SUBNET_IDS", "lie in several VPCs", "Name subnets of one VPC.")
        return str(found.pop())

    def _endpoints(self) -> list[dict[str, Any]]:
        filters = [
            {"Name": "vpc-id", "Values": [self._vpc()]},
            {"Name": "service-name", "Values": [self._service]},
            {"Name": "vpc-endpoint-type", "Values": ["Gateway"]},
        ]
        pages = self._ec2.get_paginator("describe_vpc_endpoints").paginate(Filters=filters)
        found = [endpoint for page in pages for endpoint in page["VpcEndpoints"]]
        return [endpoint for endpoint in found if endpoint["State"].lower() in _LIVING]

    def _own(self) -> dict[str, Any] | None:
        return self._own_of(self._endpoints())

    def _own_of(self, endpoints: list[dict[str, Any]]) -> dict[str, Any] | None:
        tags = self._own_tags.items()
        return next((e for e in endpoints if tags <= tag_dict(e.get("Tags", [])).items()), None)

    def _route_tables(self) -> dict[str, str]:
        """Subnet id -> its own route table, or else the VPC's main one."""
        pages = self._ec2.get_paginator("describe_route_tables").paginate(
            Filters=[{"Name": "vpc-id", "Values": [self._vpc()]}]
        )
        by_subnet: dict[str, str] = {}
        main = ""
        for table in (table for page in pages for table in page["RouteTables"]):
            for association in table["Associations"]:
                if association.get("Main"):
                    main = table["RouteTableId"]
                elif "SubnetId" in association:
                    by_subnet[association["SubnetId"]] = table["RouteTableId"]
        return {subnet: by_subnet.get(subnet, main) for subnet in self.subnet_ids()}

    def _missing(self) -> list[str]:
        routed = {table for endpoint in self._endpoints() for table in endpoint["RouteTableIds"]}
        return sorted({table for table in self._route_tables().values() if table not in routed})


def default_subnets(clients: Clients) -> tuple[str, ...]:
    """One subnet for each zone of the region, from the account's default VPC."""
    pages = (
        clients("ec2")
        .get_paginator("describe_subnets")
        .paginate(Filters=[{"Name": "default-for-az", "Values": ["true"]}])
    )
    return tuple(sorted(subnet["SubnetId"] for page in pages for subnet in page["Subnets"]))
