"""The subnets that the warehouse stands in: those of the settings, else the default VPC's own.

Redshift Serverless would take the default VPC's by itself, but then nobody could give their route tables a way to S3,
and COPY, which goes through them, would wait until it fails.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from infrastructure.aws.ec2 import default_subnets
from infrastructure.errors import PlatformError
from infrastructure.planning.resource import Clients
from infrastructure.settings_bounds import NEEDED_SUBNETS

Subnets = Callable[[], tuple[str, ...]]


def warehouse_subnets(clients: Clients, given: tuple[str, ...]) -> Subnets:
    """The ids, looked up when they are first asked for; none where none are given and there is no default VPC."""
    return functools.cache(lambda: given or default_subnets(clients))


def require_subnets(subnets: Subnets) -> list[str]:
    """The ids. Raises PlatformError where they are too few for a warehouse."""
    found = subnets()
    if len(found) >= NEEDED_SUBNETS:
        return list(found)
    what = f"has {len(found)} default subnets, a warehouse needs {NEEDED_SUBNETS}" if found else "is not there"
    raise PlatformError(
        "the default VPC",
        what,
        f"Name {NEEDED_SUBNETS} subnets of your network with REDSHIFT_SUBNET_IDS, or leave the warehouse out "
        "(--except redshift).",
    )
