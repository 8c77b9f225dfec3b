"""An audit trail, as the planner sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from infrastructure.aws.tags import tag_dict, tag_list
from infrastructure.planning.aws_errors import error_code
from infrastructure.planning.resource import DeletionPending, Properties, Resource
from infrastructure.planning.waiting import PROPAGATION_SECONDS, retry_while

_NOT_YET_KNOWN = (
    "InvalidCloudWatchLogsLogGroupArnException",
    "InvalidCloudWatchLogsRoleArnException",
    "InsufficientEncryptionPolicyException",
    "InsufficientS3BucketPolicyException",
)
_AS_IF_UNSET = {"S3KeyPrefix": "", "SnsTopicName": "", "IsOrganizationTrail": False}
_SETTINGS = (
    "S3BucketName",
    "IncludeGlobalServiceEvents",
    "IsMultiRegionTrail",
    "EnableLogFileValidation",
    "KmsKeyId",
    "CloudWatchLogsLogGroupArn",
    "CloudWatchLogsRoleArn",
)


@dataclass(kw_only=True, eq=False)
class Trail(Resource):
    """A CloudTrail trail that is logging."""

    type: ClassVar[str] = "AWS::CloudTrail::Trail"
    permissions: ClassVar[str] = (
        "cloudtrail:AddTags cloudtrail:CreateTrail cloudtrail:DeleteTrail cloudtrail:GetEventSelectors "
        "cloudtrail:GetTrail cloudtrail:GetTrailStatus cloudtrail:ListTags cloudtrail:PutEventSelectors "
        "cloudtrail:StartLogging cloudtrail:UpdateTrail"
    )
    implied: ClassVar[str] = "iam:PassRole"
    unordered: ClassVar[frozenset[str]] = frozenset({"AdvancedEventSelectors"})

    @property
    def unset(self) -> Properties:
        return {"S3KeyPrefix": None, "SnsTopicName": None, "IsOrganizationTrail": False}

    def read(self) -> Properties | None:
        try:
            trail = self._cloudtrail.get_trail(Name=self.name)["Trail"]
        except self._cloudtrail.exceptions.TrailNotFoundException:
            return None
        arn = trail["TrailARN"]
        tags = self._cloudtrail.list_tags(ResourceIdList=[arn])["ResourceTagList"]
        return {name: trail.get(name) for name in _SETTINGS} | {
            "EnableLogFileValidation": trail.get("LogFileValidationEnabled"),
            "S3KeyPrefix": trail.get("S3KeyPrefix") or None,
            "SnsTopicName": trail.get("SnsTopicARN") or trail.get("SnsTopicName") or None,
            "IsOrganizationTrail": bool(trail.get("IsOrganizationTrail")),
            "AdvancedEventSelectors": [_as_put(selector) for selector in self._selectors()],
            "IsLogging": self._cloudtrail.get_trail_status(Name=arn)["IsLogging"],
            "Tags": tag_dict(tags[0].get("TagsList", [])) if tags else {},
            "Arn": arn,
        }

    def create(self, properties: Properties) -> None:
        settings = {name: properties[name] for name in _SETTINGS}
        self._patiently("create_trail", Name=self.name, TagsList=tag_list(properties["Tags"]), **settings)

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        others = {name: value for name, value in _AS_IF_UNSET.items() if name in changed}
        if changed & set(_SETTINGS) or others:
            settings = {name: properties[name] for name in _SETTINGS}
            self._patiently("update_trail", Name=self.name, **settings, **others)
        if "AdvancedEventSelectors" in changed:
            self._cloudtrail.put_event_selectors(
                TrailName=self.name, AdvancedEventSelectors=properties["AdvancedEventSelectors"]
            )
        if "IsLogging" in changed:
            self._cloudtrail.start_logging(Name=self.name)
        if "Tags" in changed:
            arn = self._cloudtrail.get_trail(Name=self.name)["Trail"]["TrailARN"]
            self._cloudtrail.add_tags(ResourceId=arn, TagsList=tag_list(properties["Tags"]))

    def delete(self) -> DeletionPending | None:
        try:
            self._cloudtrail.delete_trail(Name=self.name)
        except self._cloudtrail.exceptions.TrailNotFoundException:
            return None
        return None

    @property
    def _cloudtrail(self) -> Any:
        return self.clients("cloudtrail")

    def _patiently(self, call: str, **parameters: Any) -> None:
        retry_while(
            lambda error: error_code(error) in _NOT_YET_KNOWN,
            lambda: getattr(self._cloudtrail, call)(**parameters),
            PROPAGATION_SECONDS,
        )

    def _selectors(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._cloudtrail.get_event_selectors(TrailName=self.name).get(
            "AdvancedEventSelectors", []
        )
        return found


def _as_put(selector: dict[str, Any]) -> dict[str, Any]:
    """A selector without the empty operators that the service may add."""
    fields = [{name: value for name, value in one.items() if value} for one in selector["FieldSelectors"]]
    return {"Name": selector.get("Name"), "FieldSelectors": fields}
