"""Lets a file that declares resources, or that is named after a command, run by itself through the one command line."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import NoReturn

_ORCHESTRATOR = Path(__file__).resolve().parents[1] / "scripts" / "orchestrate_pipeline.py"


def run_alone(*command: str) -> NoReturn:
    """Run a command with this process's arguments. Never returns: the process ends with the command's exit status."""
    sys.argv = [sys.argv[0], *command, *sys.argv[1:]]
    runpy.run_path(str(_ORCHESTRATOR), run_name="__main__")
    raise SystemExit
