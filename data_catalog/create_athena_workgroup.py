"""The Athena workgroup in which analysts query the lake.

    python data_catalog/create_athena_workgroup.py        # make or mend the workgroup alone

Its settings are enforced: no client can write results elsewhere or unencrypted. A query is stopped when it has scanned
the limit. Results go below the curated bucket's staging prefix, whose objects expire after a week.
"""

from __future__ import annotations

from data_catalog.lake_layout import STAGING_PREFIX
from infrastructure.aws.athena import WorkGroup
from infrastructure.planning.resource import Clients, Resource
from infrastructure.references import bucket_id, key_arn
from infrastructure.settings import Settings

_GIB = 1024**3
RESULTS_PREFIX = f"{STAGING_PREFIX}athena/"


def resources(settings: Settings, clients: Clients) -> list[Resource]:
    """The workgroup."""
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
                "BytesScannedCutoffPerQuery": settings.athena_scan_limit_gib * _GIB,
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


if __name__ == "__main__":
    from infrastructure.run_alone import run_alone

    run_alone("apply-file", __file__)
