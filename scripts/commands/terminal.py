"""What all commands share: options, errors, consoles, exit statuses."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterable, Sequence
from datetime import date
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NoReturn

from botocore.model import OperationModel
from rich.console import Console
from rich.text import Text

from infrastructure.errors import PlatformError
from infrastructure.settings import ENVIRONMENTS

EXIT_OK, EXIT_ERROR, EXIT_CHANGES = 0, 1, 2

_DISTRIBUTION = "real-time-banking-data-platform"
_PIPE_WIDTH = 140  # for output to a pipe or file, for which rich would guess 80


def program_version() -> str:
    """The installed version of the platform."""
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:
        return "(not installed)"


class _HelpFormatter(argparse.HelpFormatter):
    """Wraps a text to the terminal, unless it has lines of its own."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)


class Parser(argparse.ArgumentParser):
    """argparse's parser with three changes: usage errors exit 1 (2 is what plan exits with if there are changes), no
    option is accepted by its prefix, and a misspelling is answered with what was probably meant.
    """

    def __init__(self, **options: Any) -> None:
        defaults: dict[str, Any] = {"formatter_class": _HelpFormatter, "allow_abbrev": False}
        super().__init__(**(defaults | options))

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_ERROR, f"error: {message}\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """A subcommand's parser reports unknown options itself, because only it knows which options it has."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            meant = did_you_mean(unknown[0], self._option_string_actions)
            self.error(f"{self.prog} takes no {' '.join(unknown)}{meant}{self._where_options_stand()}")
        return found, unknown

    def _where_options_stand(self) -> str:
        return "; options stand after the command" if self._subparsers else ""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        if isinstance(action, argparse._SubParsersAction):
            commands = [listed.dest for listed in action._choices_actions]
            self.error(f"there is no command {value!r}{did_you_mean(value, commands)} ({', '.join(commands)})")
        choices = [str(choice) for choice in action.choices]
        told = f"invalid choice: {value!r}{did_you_mean(str(value), choices)} (choose from {', '.join(choices)})"
        raise argparse.ArgumentError(action, told)


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """A suggestion to append to an error; "" if nothing known is close to what was given."""
    near = get_close_matches(given.partition("=")[0], list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def day(text: str) -> date:
    """An option's value as a date."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date of the form YYYY-MM-DD") from None


def add_account_options(parser: argparse.ArgumentParser) -> None:
    """Which account, region and environment a command works on."""
    parser.add_argument("--environment", choices=ENVIRONMENTS, help="default: ENVIRONMENT of .env, else dev")
    parser.add_argument("--region", help="default: AWS_REGION, else the profile's")
    parser.add_argument("--profile", help="of ~/.aws/config; default: AWS_PROFILE")


def add_output_options(parser: argparse.ArgumentParser, *, as_json: bool = False) -> None:
    """How much a command prints. as_json: the command has figures, which --json prints for a program."""
    parser.add_argument("-v", "--verbose", action="store_true", help="tell each call to AWS on standard error")
    parser.add_argument("-q", "--quiet", action="store_true", help="tell how it ended, and errors, only")
    if as_json:
        parser.add_argument("--json", action="store_true", help="print JSON on standard output, all else on the other")


def console(arguments: argparse.Namespace | None = None, *, stderr: bool = False) -> Console:
    """A console as wide as the terminal, or wide enough for a log; standard error with --json, silent with --quiet."""
    found = outcome(arguments, stderr=stderr)
    found.quiet = getattr(arguments, "quiet", False)
    return found


def outcome(arguments: argparse.Namespace | None = None, *, stderr: bool = False) -> Console:
    """The console for how a command ended, which --quiet does not silence."""
    as_json = getattr(arguments, "json", False)
    found = Console(stderr=stderr or as_json, highlight=False)
    if not found.is_terminal:
        found.width = _PIPE_WIDTH
    return found


def print_json(document: Any) -> None:
    print(json.dumps(document, indent=2))


def print_error(error: PlatformError) -> None:
    """The one way in which errors are printed."""
    message = Text.assemble(("error: ", "bold red"), str(error))
    console(stderr=True).print(message, soft_wrap=True)


def log_calls() -> None:
    """Log each call to AWS on standard error, by service and operation. Bodies are never logged."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    handler.addFilter(_names_operation)
    logger = logging.getLogger("botocore.endpoint")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False


def _names_operation(record: logging.LogRecord) -> bool:
    """Reduce botocore's line about a request to the operation's name, because its other argument holds the body."""
    operation = record.args[0] if isinstance(record.args, tuple) and record.args else None
    if not isinstance(operation, OperationModel):
        return False
    record.msg, record.args = "%s.%s", (operation.service_model.service_name, operation.name)
    return True


def run_parsed(parser: Parser, argv: Sequence[str] | None) -> int:
    """Parse, run the chosen command, and print its error; returns the exit status."""
    arguments = parser.parse_args(argv)
    if not hasattr(arguments, "run"):
        parser.print_help()
        return EXIT_OK
    if getattr(arguments, "verbose", False):
        log_calls()
    try:
        status: int = arguments.run(arguments)
    except PlatformError as error:
        print_error(error)
        return EXIT_ERROR
    return status
