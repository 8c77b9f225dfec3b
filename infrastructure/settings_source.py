"""Where settings come from: environment variables and a .env file, by the name of each field in capitals."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from infrastructure.errors import PlatformError
from infrastructure.settings import PROFILES, Settings
from infrastructure.settings_bounds import Problem, problems_of, settings_error

ENV_FILE = Path(__file__).resolve().parents[1] / ".env"

_NAMES = frozenset(field.name.upper() for field in fields(Settings))
# A variable of the shell this similar to a setting's name counts as a misspelling: one letter in a dozen differs.
_SLIP = 0.9


def read_environment(env_file: Path | None = None) -> dict[str, str]:
    """The variables of the .env file (by default ENV_FILE), overridden by those of the process.

    Raises PlatformError if the file or one of its lines cannot be read, and on a name that is no setting: a misspelt
    EXPECTED_ACCOUNT_ID would guard nothing.
    """
    env_file = env_file or ENV_FILE
    in_file = _read_file(env_file)
    problems = [
        *(_unknown(name, f"{env_file.name} sets") for name in in_file if name not in _NAMES and not _is_aws(name)),
        *_slips(os.environ),
    ]
    if problems:
        raise settings_error(problems)
    return in_file | dict(os.environ)


def _read_file(env_file: Path) -> dict[str, str]:
    where = env_file.name
    try:
        text = env_file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise PlatformError("settings", f"{where} is not UTF-8", "Save it as UTF-8.") from None
    except OSError as error:
        raise PlatformError(
            "settings", f"{where} cannot be read ({error.strerror})", "Mend its permissions, or remove it."
        ) from None
    problems: list[Problem] = []
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            lines = binding.original.string.splitlines()
            blank = next((place for place, line in enumerate(lines) if line.strip()), 0)
            line = binding.original.line + blank
            problems.append(Problem(f"{where} line {line} cannot be read", "Write it as NAME=value."))
    if problems:
        raise settings_error(problems)
    return {name: value or "" for name, value in dotenv_values(stream=io.StringIO(text)).items()}


def _is_aws(name: str) -> bool:
    return name.startswith("AWS_")


def _slips(environ: Mapping[str, str]) -> Iterator[Problem]:
    """Variables of the process whose names are nearly those of settings."""
    for name in sorted(environ.keys() - _NAMES):
        if not _is_aws(name) and get_close_matches(name.upper(), _NAMES, n=1, cutoff=_SLIP):
            yield _unknown(name, "the environment sets")


def _unknown(name: str, who: str) -> Problem:
    near = get_close_matches(name.upper(), _NAMES, n=1)
    todo = f"Did you mean {near[0]}?" if near else "Remove it; .env.example lists the settings."
    return Problem(f"{who} {name}, which is no setting", todo)


def settings_from(environ: Mapping[str, str], **given: Any) -> Settings:
    """The settings of these variables; values given on the command line override them.

    Empty variables count as unset; the profile's values stand below all that is set. Raises one PlatformError that
    lists every value that cannot be read or is out of bounds.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for field in fields(Settings):
        text = environ.get(field.name.upper(), "").strip()
        if not text:
            continue
        try:
            values[field.name] = _parse(str(field.type), text)
        except (ValueError, KeyError):
            problems.append(Problem(f"{field.name.upper()} is {text!r}", f"Set it to {_wanted(str(field.type))}."))
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    if region:
        values.setdefault("region", region)
    values |= {name: value for name, value in given.items() if value is not None}
    values = PROFILES.get(values.get("latency_profile", ""), {}) | values
    if not problems:
        return Settings(**values)
    defaults = {field.name: {} if field.default is MISSING else field.default for field in fields(Settings)}
    raise settings_error([*problems, *problems_of(defaults | values)])


def _parse(type_: str, text: str) -> Any:
    if type_ == "int":
        return int(text)
    if type_ == "bool":
        return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
    if type_.startswith("tuple"):
        return tuple(item.strip() for item in text.split(",") if item.strip())
    if type_.startswith("dict"):
        return dict(_pair(item) for item in text.split(",") if item.strip())
    return text


def _wanted(type_: str) -> str:
    return {"int": "a whole number", "bool": "true or false"}.get(type_, "pairs such as Owner=payments,Cost=42")


def _pair(item: str) -> tuple[str, str]:
    key, separator, value = item.partition("=")
    if not separator:
        raise ValueError(item)
    return key.strip(), value.strip()
