"""Text of others on a terminal: it is shown, and does nothing."""

from __future__ import annotations

import io
import logging
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipeline.terminal import HarmlessStream, printable
from tests.fuzz.junk import fuzzed, odd_text
from xlner.commands import shared

# Colour, a title, a link, a report of the cursor, the one-byte CSI, a reset, backspaces.
HOSTILE = "\x1b[31m \x1b]0;title\x07 \x1b]8;;http://x\x1b\\ \x1b[6n \x9b2J \x1bc \x08\x08 \u202e"


@fuzzed
@given(odd_text | st.text(st.characters(exclude_categories=[])))
def test_nothing_is_left_that_a_terminal_would_obey(text: str) -> None:
    shown = printable(text)
    for c in shown:
        assert c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
    assert not set(shown) & {"\x1b", "\x9b", "\x07", "\x08", "\r", "\x00", "\u202e"}
    if text.isprintable():
        assert shown == text


def test_errors_and_messages_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    shared._show_errors([HOSTILE])
    shared.tell(HOSTILE)
    err = capsys.readouterr().err
    assert err.count("‹U+001B›[31m") == 2
    assert not set(err) & {"\x1b", "\x9b", "\x07", "\x08"}
    stream = io.StringIO()
    names = ("pipeline", "stages")
    before = [(logging.getLogger(n).handlers, logging.getLogger(n).propagate) for n in names]
    try:
        shared.show_warnings(Console(file=stream, width=300))
        logging.getLogger("pipeline.formats").warning("%s", HOSTILE)
    finally:
        for n, (handlers, propagate) in zip(names, before, strict=True):
            logging.getLogger(n).handlers = handlers
            logging.getLogger(n).propagate = propagate
    assert "‹U+001B›[31m" in stream.getvalue() and "\x1b" not in stream.getvalue()


def test_an_error_about_a_file_of_a_hostile_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import typer

    from pipeline.config import DataSource
    from pipeline.formats import read_labelled

    path = tmp_path / "a\x1b[31mb.conll"
    path.write_text("x \x1b]0;t\x07 y z\nx O\nx O\n", encoding="utf-8")
    with pytest.raises(typer.Exit), shared.reported_errors():
        list(read_labelled(DataSource(path="x"), "de", path=path))
    err = capsys.readouterr().err
    assert "a‹U+001B›[31mb.conll:1" in err and "\x1b" not in err and "\x07" not in err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_data_is_shown_on_a_terminal_and_exact_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, expected in ((Terminal(), "‹U+001B›[31mx\ty\n"), (io.StringIO(), "\x1b[31mx\ty\n")):
        monkeypatch.setattr("sys.stdout", stream)
        shared.data_stream().write("\x1b[31mx\ty\n")
        assert stream.getvalue() == expected
        stream.truncate(0)
        stream.seek(0)
        shared.print_json("\x9b2J")
        assert ("\x9b" in stream.getvalue()) == (not stream.isatty())
    assert isinstance(HarmlessStream(io.StringIO()), HarmlessStream)


def test_projected_labels_and_names_of_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from pipeline import listing
    from xlner.commands import manage, project_labels

    row = {"id": "a\x1b[31m", "words": ["\x1b]0;t\x07", "x"], "spans": []}
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    project_labels._write([row], shared.labelled_writer("--out", Path()), None, "de")
    assert "‹U+001B›]0;t‹U+0007›" in terminal.getvalue() and "\x1b" not in terminal.getvalue()
    monkeypatch.undo()
    run = dict.fromkeys(("state", "tasks", "changed", "headline"), "") | {"run": "[red]a\x1b[31m"}
    monkeypatch.setattr(listing, "describe_runs", lambda runs_dir: [run])
    manage.list_runs(runs_dir=tmp_path)
    shown = capsys.readouterr().out
    assert "[red]a‹U+001B›[31m" in shown and "\x1b" not in shown
