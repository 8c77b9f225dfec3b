"""The documentation names files, commands, options and identifiers that exist."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infrastructure.function_package import REQUIREMENTS
from scripts.commands.command_line import parser

ROOT = Path(__file__).resolve().parents[2]
# The last two are what the commands of the README keep.
_NO_SOURCES = frozenset({"build", "__pycache__", "node_modules", "run", "mine"})
# Files that runs and tools write.
_WRITTEN_BY_RUNS = frozenset(
    {"imports.tf", "manifest.json", "publish.json", "result.json", "run.json", "secrets.json", "state.json"}
)
_COMMAND = re.compile(r"(?:banking-data|scripts/orchestrate_pipeline\.py)\s+(\S.*)")
_FENCE = re.compile(r"^( *)```.*?^ *```", re.MULTILINE | re.DOTALL)
_PLACEHOLDER = re.compile(r"[{}<>*…]|\.\.\.|[A-Z]{4,}")
_IDENTIFIER = re.compile(r"(?:[A-Za-z_][A-Za-z0-9]*\.)*([A-Za-z]*(?:_[A-Za-z0-9]+)+|[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]+)+)")
_SUFFIXES = {".cfg", ".example", ".json", ".lock", ".md", ".py", ".sh", ".sql", ".svg", ".tf", ".toml", ".txt", ".yaml"}
_SUFFIXES |= {".yml"}


def _sources(directory: Path = ROOT) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        if path.name in _NO_SOURCES or (
            path.name.startswith(".") and path.is_dir() and path.name not in (".github", ".ci")
        ):
            continue
        if path.is_dir():
            yield from _sources(path)
        else:
            yield path


SOURCES = tuple(_sources())
DOCUMENTS = tuple(path for path in SOURCES if path.suffix == ".md")
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]
# What the changelog tells of may be gone.
LIVING = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]


@cache
def _words() -> frozenset[str]:
    """Every word of the sources that are no documentation."""
    words: set[str] = set()
    for path in SOURCES:
        if path.suffix in {".py", ".sql", ".json", ".tf", ".toml", ".tfvars", ".hcl", ".example"} or not path.suffix:
            words.update(re.findall(r"\w+", path.read_text(encoding="utf-8")))
    return frozenset(words)


def _prose(document: Path) -> str:
    return _FENCE.sub("", document.read_text(encoding="utf-8"))


def _code_lines(document: Path) -> Iterator[str]:
    """The lines of code blocks, those joined that a backslash continues."""
    for fence in _FENCE.finditer(document.read_text(encoding="utf-8")):
        yield from fence[0].replace("\\\n", " ").splitlines()[1:-1]


def _spans(document: Path) -> list[str]:
    """What stands in backticks."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", _prose(document))]


def _anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_links_lead_to_files_and_headings(document: Path) -> None:
    missing = []
    for target in re.findall(r"\]\(([^)\s]+)\)", _prose(document)):
        name, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", name):
            continue
        file = (document.parent / name).resolve() if name else document
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            missing.append(target)
    assert not missing


@pytest.mark.parametrize("document", LIVING, ids=[path.relative_to(ROOT).as_posix() for path in LIVING])
def test_paths_in_backticks_exist(document: Path) -> None:
    top_level = {path.relative_to(ROOT).parts[0] for path in SOURCES}
    file_names = {path.name for path in SOURCES}
    missing = []
    for span in _spans(document):
        path = span.split(":")[0].removesuffix("/")
        if " " in path or _PLACEHOLDER.search(path):
            continue
        in_tree = "/" in path and path.split("/")[0] in top_level
        is_file = "/" not in path and Path(path).suffix in _SUFFIXES and not path.startswith("_")
        found = (ROOT / path).exists() or (document.parent / path).exists()
        if (in_tree and not found) or (
            is_file and path not in file_names and not found and path not in _WRITTEN_BY_RUNS
        ):
            missing.append(span)
    assert not missing


@pytest.mark.parametrize("document", LIVING, ids=[path.relative_to(ROOT).as_posix() for path in LIVING])
def test_identifiers_in_backticks_are_in_the_sources(document: Path) -> None:
    found = [match for span in _spans(document) if (match := _IDENTIFIER.fullmatch(span.split("(")[0].split("=")[0]))]
    assert not [match[0] for match in found if match[1] not in _words()]


def _commands(document: Path) -> Iterator[list[str]]:
    """The arguments of each command of ours, in code blocks and in backticks."""
    for text in [*_code_lines(document), *_spans(document)]:
        for match in _COMMAND.finditer(text):
            words = shlex.split(re.split(r"[|&;]", match[1])[0], comments=True)
            if words:
                yield words


def _options(of: argparse.ArgumentParser) -> set[str]:
    return {name for action in of._actions for name in action.option_strings}


def _options_of(commands: argparse._SubParsersAction[Any], words: list[str]) -> set[str] | None:
    """The options of a command, and of the command within it that is named; None if there is no such command."""
    name, *further = words
    if name not in commands.choices:
        return None
    found = commands.choices[name]
    inner = [action for action in found._actions if isinstance(action, argparse._SubParsersAction)]
    if not inner or not further or further[0] not in inner[0].choices:
        return _options(found)
    return _options_of(inner[0], further)


@pytest.mark.parametrize("document", LIVING, ids=[path.relative_to(ROOT).as_posix() for path in LIVING])
def test_commands_are_ones_that_the_parser_knows(document: Path) -> None:
    top = parser()
    (subcommands,) = (action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    unknown = []
    for words in _commands(document):
        name, options = words[0], {word.split("=")[0] for word in words if word.startswith("-") and word != "-"}
        if name == "COMMAND":
            continue
        known = _options(top) if name.startswith("-") else _options_of(subcommands, words)
        if known is None or not options <= known:
            unknown.append(" ".join(words))
    assert not unknown


@pytest.mark.parametrize("document", LIVING, ids=[path.relative_to(ROOT).as_posix() for path in LIVING])
def test_programs_in_code_blocks_can_be_run_as_printed(document: Path) -> None:
    """By the environment that make setup makes; and what they name, files and make's targets, is there."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wrong = []
    for line in _code_lines(document):
        for program, argument in re.findall(
            r"(?:^|[|&;] *)((?:\S*/)?(?:python|make|banking-data|orchestrate_pipeline\.py))\b *(\S*)", line
        ):
            if program == "make":
                wrong += [line] if argument not in targets else []
            elif not program.startswith((".venv/bin/", ".venv-bench/bin/")) or (
                argument.endswith(".py") and not (ROOT / argument).is_file()
            ):
                wrong.append(line)
    assert not wrong


def test_every_page_opens_with_its_purpose_and_its_readers() -> None:
    pages = [path for path in DOCUMENTS if path.parent.name == "docs" and path.name != "README.md"]
    assert pages
    for page in pages:
        paragraph = page.read_text(encoding="utf-8").split("\n\n")[1]
        assert re.search(r"\bFor\b", paragraph), f"{page.name} does not say for whom it is"


def test_the_index_lists_every_page_and_every_decision() -> None:
    docs = ROOT / "docs"
    index = (docs / "README.md").read_text(encoding="utf-8")
    assert not [page.name for page in docs.glob("*.md") if page.name != "README.md" and f"({page.name}" not in index]
    decisions = (docs / "decisions" / "README.md").read_text(encoding="utf-8")
    assert not [page.name for page in (docs / "decisions").glob("0*.md") if f"({page.name})" not in decisions]


def test_the_notice_names_all_that_the_functions_zip_carries() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8").lower()
    pinned = re.findall(r"^([a-z0-9-]+)==", REQUIREMENTS.read_text(encoding="utf-8"), re.MULTILINE)
    assert pinned
    assert not [name for name in pinned if name not in notice]
