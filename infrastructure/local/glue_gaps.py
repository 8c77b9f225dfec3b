"""What moto's Glue lacks and the lake needs: refusal of stale versions of a table, and table optimizers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult, EmptyResult
from moto.glue.exceptions import EntityNotFoundException
from moto.glue.responses import GlueResponse


@contextlib.contextmanager
def filled() -> Iterator[None]:
    """moto's Glue with these gaps filled."""
    with contextlib.ExitStack() as patches:
        patches.enter_context(patch.object(GlueResponse, "update_table", _update_table))
        for name in ("create", "get", "update", "delete"):
            method = getattr(_Optimizers, name)
            patches.enter_context(patch.object(GlueResponse, f"{name}_table_optimizer", method, create=True))
        yield


_moto_update_table = GlueResponse.update_table


def _update_table(self: Any) -> Any:
    """Glue refuses an update for another version than the table has; Iceberg's commits rely on it."""
    wanted = self.parameters.get("VersionId")
    table = self.glue_backend.get_table(self.parameters["DatabaseName"], self.parameters["TableInput"]["Name"])
    if wanted is not None and wanted != table.as_dict()["VersionId"]:
        raise JsonRESTError("ConcurrentModificationException", "It was modified meanwhile.")
    return _moto_update_table(self)


class _Optimizers:
    """The operations. A table's optimizers are kept beside it, so they go with it."""

    @staticmethod
    def _of(self: Any) -> dict[str, Any]:
        table = self.glue_backend.get_table(self.parameters["DatabaseName"], self.parameters["TableName"])
        if not hasattr(table, "optimizers"):
            table.optimizers = {}
        held: dict[str, Any] = table.optimizers
        return held

    def create(self: Any) -> Any:
        held, kind = _Optimizers._of(self), self.parameters["Type"]
        if kind in held:
            raise JsonRESTError("AlreadyExistsException", f"The table has an optimizer of type {kind}.")
        held[kind] = self.parameters["TableOptimizerConfiguration"]
        return EmptyResult()

    def get(self: Any) -> Any:
        kind = self.parameters["Type"]
        configuration = _existing(_Optimizers._of(self), kind)
        place = {name: self.parameters[name] for name in ("CatalogId", "DatabaseName", "TableName")}
        return ActionResult({**place, "TableOptimizer": {"type": kind, "configuration": configuration}})

    def update(self: Any) -> Any:
        held, kind = _Optimizers._of(self), self.parameters["Type"]
        _existing(held, kind)
        held[kind] = self.parameters["TableOptimizerConfiguration"]
        return EmptyResult()

    def delete(self: Any) -> Any:
        held, kind = _Optimizers._of(self), self.parameters["Type"]
        _existing(held, kind)
        del held[kind]
        return EmptyResult()


def _existing(held: dict[str, Any], kind: str) -> Any:
    if kind not in held:
        raise EntityNotFoundException(f"The table has no optimizer of type {kind}.")
    return held[kind]
