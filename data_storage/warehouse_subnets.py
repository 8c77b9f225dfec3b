"""The subnets of the warehouse: those of the settings, or else the default VPC's.

Redshift Serverless would choose the default VPC's subnets by itself. But then their route tables would get no route to
S3, and COPY, which goes through them, would wait until it fails.
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
    """The ids, looked up on first use; empty if none are given and there is no default VPC."""
    return functools.cache(lambda: given or default_subnets(clients))


def require_subnets(subnets: Subnets) -> list[str]:
    """The ids. Raises PlatformError if they are too few for a warehouse."""
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
