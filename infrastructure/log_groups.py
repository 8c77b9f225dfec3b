"""An encrypted log group with retention. Each folder whose services log declares its own."""

from __future__ import annotations

from infrastructure.aws.logs import LogGroup
from infrastructure.planning.resource import Clients
from infrastructure.references import LOG_KEY_PURPOSE, key_arn
from infrastructure.settings import Settings


def log_group(settings: Settings, clients: Clients, part: str, name: str) -> LogGroup:
    """The group of this name with the platform's retention, key and tags."""
    return LogGroup(
        part=part,
        name=name,
        clients=clients,
        properties={
            "RetentionInDays": settings.log_retention_days,
            "KmsKeyId": key_arn(settings, LOG_KEY_PURPOSE),
            "Tags": settings.all_tags,
        },
    )
