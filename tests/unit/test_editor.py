"""Records in somebody's editor."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from infrastructure.errors import PlatformError
from scripts.commands.editor import edited

ROWS = [{"a": "1"}, {"a": "2"}]


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Sets an editor that runs some Python on the file's text."""

    def set_to(code: str) -> None:
        script = tmp_path / "editor.py"
        script.write_text(f"import pathlib, sys\nfile = pathlib.Path(sys.argv[1])\ntext = file.read_text()\n{code}\n")
        monkeypatch.setenv("VISUAL", f"{sys.executable} {script}")

    return set_to


def test_what_was_saved_comes_back_without_the_lines_that_were_taken_out(editor):
    editor("file.write_text(text.splitlines()[1].replace('2', '3') + chr(10))")
    assert edited(ROWS) == [{"a": "3"}]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("sys.exit(3)", "ended with status 3"),
        ("file.write_text('{' + chr(10))", "line 1: is no JSON object"),
        ("file.write_text('[1]' + chr(10))", "line 1: is no JSON object"),
    ],
)
def test_what_is_no_edit_writes_nothing(editor, code, says):
    editor(code)
    with pytest.raises(PlatformError, match=says):
        edited(ROWS)


def test_no_editor_is_said(monkeypatch):
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    with pytest.raises(PlatformError, match="no editor is set"):
        edited(ROWS)
