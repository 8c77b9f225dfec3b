"""Job arguments, read as Glue's own awsglue.utils reads them."""

from __future__ import annotations

from collections.abc import Sequence


class GlueArgumentError(Exception):
    """A named argument is not among those given."""


def getResolvedOptions(args: Sequence[str], options: Sequence[str]) -> dict[str, str]:
    """The named options among "--name value" and "--name=value"; all are required, others are passed over."""
    given: dict[str, str] = {}
    rest = iter(args[1:])
    for argument in rest:
        name, equals, value = argument.partition("=")
        if name.startswith("--") and name[2:] in options:
            given[name[2:]] = value if equals else next(rest, "")
    if missing := [name for name in options if name not in given]:
        raise GlueArgumentError(f"the following arguments are required: {', '.join('--' + name for name in missing)}")
    return given
