"""The stream that transactions arrive on: encrypted, kept for a week, measured shard by shard.

python data_ingestion/create_kinesis_stream.py        # make or mend the stream alone
"""

from __future__ import annotations

from infrastructure.aws.kinesis import Stream
from infrastructure.planning.resource import Clients, Properties, Resource
from infrastructure.references import key_arn
from infrastructure.settings import Settings

# The stream's configuration beyond settings, as plain data; a test holds infrastructure/terraform/ equal to it.
SHARD_LEVEL_METRICS = (
    "IncomingBytes",
    "IncomingRecords",
    "IteratorAgeMilliseconds",
    "OutgoingBytes",
    "OutgoingRecords",
    "ReadProvisionedThroughputExceeded",
    "WriteProvisionedThroughputExceeded",
)
ENCRYPTION_KEY_PURPOSE = "data"


def resources(settings: Settings, clients: Clients) -> list[Resource]:
    """The stream."""
    properties: Properties = {
        "StreamMode": settings.stream_mode,
        "RetentionPeriodHours": settings.stream_retention_hours,
        "EncryptionKeyId": key_arn(settings, ENCRYPTION_KEY_PURPOSE),
        "ShardLevelMetrics": list(SHARD_LEVEL_METRICS),
        "Tags": settings.all_tags,
    }
    if settings.stream_mode == "PROVISIONED":
        properties["ShardCount"] = settings.shard_count
    return [Stream(part="data_ingestion", name=settings.stream_name, clients=clients, properties=properties)]


if __name__ == "__main__":
    from infrastructure.run_alone import run_alone

    run_alone("apply-file", __file__)
