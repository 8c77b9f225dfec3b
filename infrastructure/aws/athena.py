"""An Athena workgroup, as the planner sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from infrastructure.aws.tags import tag_dict, tag_list
from infrastructure.planning.resource import DeletionPending, Properties, Resource

_FLAGS = (
    "EnforceWorkGroupConfiguration",
    "PublishCloudWatchMetricsEnabled",
    "RequesterPaysEnabled",
    "BytesScannedCutoffPerQuery",
)


@dataclass(kw_only=True, eq=False)
class WorkGroup(Resource):
    """An Athena workgroup. arn: derived from account, region and name."""

    type: ClassVar[str] = "AWS::Athena::WorkGroup"
    permissions: ClassVar[str] = (
        "athena:CreateWorkGroup athena:DeleteWorkGroup athena:GetWorkGroup athena:ListTagsForResource "
        "athena:ListWorkGroups athena:TagResource athena:UpdateWorkGroup"
    )

    arn: str

    def read(self) -> Properties | None:
        # GetWorkGroup gives the same error for a missing and for a malformed name; only the list is certain.
        if not self._exists():
            return None
        found = self._athena.get_work_group(WorkGroup=self.name)["WorkGroup"]
        configuration = found["Configuration"]
        return {name: configuration.get(name) for name in _FLAGS} | {
            "Description": found.get("Description"),
            "State": found.get("State"),
            "EngineVersion": configuration.get("EngineVersion", {}).get("SelectedEngineVersion"),
            "ResultConfiguration": configuration.get("ResultConfiguration"),
            "Tags": tag_dict(self._athena.list_tags_for_resource(ResourceARN=self.arn)["Tags"]),
            "Arn": self.arn,
        }

    def create(self, properties: Properties) -> None:
        self._athena.create_work_group(
            Name=self.name,
            Description=properties["Description"],
            Configuration={
                **{name: properties[name] for name in _FLAGS},
                "EngineVersion": {"SelectedEngineVersion": properties["EngineVersion"]},
                "ResultConfiguration": properties["ResultConfiguration"],
            },
            Tags=tag_list(properties["Tags"]),
        )

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        if changed - {"Tags"}:
            self._athena.update_work_group(
                WorkGroup=self.name,
                Description=properties["Description"],
                State=properties["State"],
                ConfigurationUpdates={
                    **{name: properties[name] for name in _FLAGS},
                    "EngineVersion": {"SelectedEngineVersion": properties["EngineVersion"]},
                    "ResultConfigurationUpdates": properties["ResultConfiguration"],
                },
            )
        if "Tags" in changed:
            self._athena.tag_resource(ResourceARN=self.arn, Tags=tag_list(properties["Tags"]))

    def delete(self) -> DeletionPending | None:
        if self._exists():
            self._athena.delete_work_group(WorkGroup=self.name, RecursiveDeleteOption=True)
        return None

    @property
    def _athena(self) -> Any:
        return self.clients("athena")

    def _exists(self) -> bool:
        token: dict[str, str] = {}
        while True:
            page = self._athena.list_work_groups(**token)
            if any(group["Name"] == self.name for group in page["WorkGroups"]):
                return True
            if not page.get("NextToken"):
                return False
            token = {"NextToken": page["NextToken"]}
