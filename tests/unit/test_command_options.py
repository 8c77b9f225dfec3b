"""What people type, before anything is done with it: options, slips of the pen, help that fits a terminal."""

from __future__ import annotations

import argparse
import re
from importlib import import_module
from typing import Any

import pytest

from scripts.commands.command_line import COMMANDS_OF
from scripts.commands.terminal import Parser
from scripts.orchestrate_pipeline import main

COMMANDS = (
    "local",
    "sample",
    "produce",
    "plan",
    "apply",
    "destroy",
    "status",
    "reconcile",
    "replay",
    "load",
    "quarantine",
    "query",
    "trace",
    "backtest",
    "lineage",
    "maintain",
    "rebuild",
    "erase",
    "rotate-token-key",
    "schema",
    "verify",
    "estimate",
    "acceptance",
)


def refused(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The last line of a usage error; plan's exit status 2 means changes, so it is 1."""
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    return said.err.splitlines()[-1]


@pytest.mark.parametrize("option", ["--transaction", "--transactio=5", "--work", "--see"])
def test_no_option_is_taken_by_its_prefix(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"banking-data local takes no {option}" in refused("local", option, capsys=capsys)


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("local", "--transaction", "5"), "--transactions"),
        (("local", "--wrokdir=x"), "--workdir"),
        (("plan", "--enviroment", "dev"), "--environment"),
        (("plan", "--environment", "pord"), "prod"),
        (("plan", "--only", "data_ingestoin"), "data_ingestion"),
        (("produce", "--input", "x", "--form-line", "3"), "--from-line"),
        (("locla",), "local"),
        (("reconsile", "--workdir", "x"), "reconcile"),
        (("--versoin",), "--version"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_typo_is_answered_with_what_was_meant(
    arguments: tuple[str, ...], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"did you mean {meant}?" in refused(*arguments, capsys=capsys)


def test_what_resembles_nothing_gets_no_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean" not in refused("local", "--xyz", capsys=capsys)


def test_an_option_before_its_command_is_told_where_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    assert "takes no -q; options stand after the command" in refused("-q", "local", capsys=capsys)


def test_an_unknown_command_is_told_those_that_people_type(capsys: pytest.CaptureFixture[str]) -> None:
    assert refused("frobnicate", capsys=capsys) == f"error: there is no command 'frobnicate' ({', '.join(COMMANDS)})"


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--rate", "0", "is no number above 0"),
        ("--rate", "-1", "is no number above 0"),
        ("--rate", "inf", "is no number above 0"),
        ("--rate", "fast", "is no number above 0"),
        ("--from-line", "0", "is no line's number, from 1"),
        ("--from-line", "1.5", "is no line's number, from 1"),
    ],
)
def test_a_number_of_produce_that_cannot_be_says_so(
    option: str, value: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in refused("produce", "--input", "x", f"{option}={value}", capsys=capsys)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("fix", "--where", "reason=invalid_curency", "--set", "currency=EUR"), "did you mean invalid_currency?"),
        (("fix", "--where", "reason=invalid_currency", "--set", "curency=EUR"), "did you mean currency?"),
        (("fix", "--where", "reason=invalid_currency", "--set", "card_number=4"), "no field that can be set"),
        (("fix", "--where", "reason=invalid_currency"), "--set FIELD=VALUE or --edit"),
        (("fix", "--set", "currency=EUR"), "Name --where NAME=VALUE"),
    ],
)
def test_quarantine_says_before_it_looks_what_it_cannot_do(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quarantine", *arguments]) == 1
    assert says in capsys.readouterr().err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert re.fullmatch(r"banking-data \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_the_shells_completion_knows_every_command_and_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--print-completion", "bash"])
    assert left.value.code == 0
    script = capsys.readouterr().out
    for command in (*COMMANDS, "--from-line", "--delete-data"):
        assert command in script
    assert "apply-file" not in script


@pytest.mark.parametrize("command", ["", *COMMANDS, "quarantine list", "quarantine show", "quarantine fix"])
def test_help_fits_a_terminal_of_80_columns(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as left:
        main([*command.split(), "--help"])
    assert left.value.code == 0
    assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 80] == []


def test_without_a_command_the_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "usage: banking-data" in capsys.readouterr().out


@pytest.mark.parametrize("module", COMMANDS_OF)
def test_a_module_adds_the_commands_that_it_is_imported_for(module: str) -> None:
    commands: Any = argparse.ArgumentParser().add_subparsers(parser_class=Parser)
    import_module(f"scripts.commands.{module}").add_commands(commands)
    assert tuple(commands.choices) == COMMANDS_OF[module]
