"""Where settings come from: environment variables and a .env file, by the name of each field in capitals."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from infrastructure.errors import PlatformError
from infrastructure.settings import Settings

ENV_FILE = Path(__file__).resolve().parents[1] / ".env"


def read_environment(env_file: Path = ENV_FILE) -> dict[str, str]:
    """The variables of the .env file and, above them, those of the process."""
    in_file = {name: value for name, value in dotenv_values(env_file).items() if value is not None}
    return in_file | dict(os.environ)


def settings_from(environ: Mapping[str, str], **given: Any) -> Settings:
    """The settings of these variables; what is given (from the command line) stands above them.

    Empty variables count as unset. Raises PlatformError on a value that cannot be read or is out of bounds.
    """
    values = {
        field.name: _parse(field.name, str(field.type), environ[field.name.upper()].strip())
        for field in fields(Settings)
        if environ.get(field.name.upper(), "").strip()
    }
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    if region:
        values.setdefault("region", region)
    return Settings(**(values | {name: value for name, value in given.items() if value is not None}))


def _parse(name: str, type_: str, text: str) -> Any:
    try:
        if type_ == "int":
            return int(text)
        if type_ == "bool":
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        if type_.startswith("tuple"):
            return tuple(item.strip() for item in text.split(",") if item.strip())
        if type_.startswith("dict"):
            return dict(_pair(item) for item in text.split(",") if item.strip())
    except (ValueError, KeyError):
        wanted = {"int": "a whole number", "bool": "true or false"}.get(type_, "pairs such as Owner=payments,Cost=42")
        raise PlatformError("settings", f"{name.upper()} is {text!r}", f"Set it to {wanted}.") from None
    return text


def _pair(item: str) -> tuple[str, str]:
    key, separator, value = item.partition("=")
    if not separator:
        raise ValueError(item)
    return key.strip(), value.strip()
