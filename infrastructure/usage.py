"""The commands' argument parser."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn


class UsageParser(argparse.ArgumentParser):
    """argparse's, but for its exit status: 2 is plan's word for changes."""

    def error(self, message: str) -> NoReturn:
        """Usage errors exit 1."""
        self.print_usage(sys.stderr)
        self.exit(1, f"error: {message}\n")
