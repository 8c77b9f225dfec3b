"""The Athena workgroup that analysts query the lake in.

    python data_catalog/create_athena_workgroup.py        # make or mend the workgroup alone

Its settings are enforced: no client can write results elsewhere or in clear. A query is stopped where it has scanned
the limit. Results go below the curated bucket's staging prefix, whose objects expire after a week.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data_storage.s3_bucket_setup import bucket_id
from infrastructure.resource import Clients, Properties, Remains, Resource
from infrastructure.service_settings import ServiceSettings, service_settings
from infrastructure.settings import STAGING_PREFIX, Settings
from infrastructure.tags import tag_dict, tag_list
from security.kms_keys import key_arn

_GIB = 1024**3
RESULTS_PREFIX = f"{STAGING_PREFIX}athena/"


def resources(settings: Settings, clients: Clients, services: ServiceSettings | None = None) -> list[Resource]:
    """The workgroup."""
    services = services or service_settings()
    return [
        WorkGroup(
            part="athena",
            name=settings.prefix,
            clients=clients,
            arn=settings.arn("athena", f"workgroup/{settings.prefix}"),
            depends_on=(bucket_id(settings, "curated"),),
            properties={
                "Description": "Queries over the lake",
                "State": "ENABLED",
                "EnforceWorkGroupConfiguration": True,
                "PublishCloudWatchMetricsEnabled": True,
                "RequesterPaysEnabled": False,
                "BytesScannedCutoffPerQuery": services.athena_scan_limit_gib * _GIB,
                "EngineVersion": "Athena engine version 3",
                "ResultConfiguration": {
                    "OutputLocation": f"s3://{settings.bucket('curated')}/{RESULTS_PREFIX}",
                    "EncryptionConfiguration": {"EncryptionOption": "SSE_KMS", "KmsKey": key_arn(settings, "data")},
                    "ExpectedBucketOwner": settings.account_id,
                },
                "Tags": settings.all_tags,
            },
        )
    ]


_FLAGS = (
    "EnforceWorkGroupConfiguration",
    "PublishCloudWatchMetricsEnabled",
    "RequesterPaysEnabled",
    "BytesScannedCutoffPerQuery",
)


@dataclass(kw_only=True, eq=False)
class WorkGroup(Resource):
    """An Athena workgroup. arn: made of account, region and name, as every workgroup's is."""

    type: ClassVar[str] = "AWS::Athena::WorkGroup"

    arn: str

    def read(self) -> Properties | None:
        # GetWorkGroup answers a name that does not exist as it answers a malformed one; the list tells for sure.
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

    def delete(self) -> Remains | None:
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


if __name__ == "__main__":
    from infrastructure.provisioning import run_alone

    raise SystemExit(run_alone(resources, __doc__))
