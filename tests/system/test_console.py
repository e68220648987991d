"""Progress in logs and on terminals, and one-line errors of the command line."""

import io
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from evafast.errors import UsageError
from evafast.system import console as module
from evafast.system.cli import parse
from evafast.system.console import Console, duration


@dataclass(frozen=True, kw_only=True)
class Config:
    """Options.

    Attributes
    ----------
    size : tuple of int
        Of something.
    folder : Path or None
        Somewhere.
    count : int
        How many.
    """

    size: tuple[int, int] = (40, 50)
    folder: Path | None = None
    count: int = 1

    def __post_init__(self):
        if self.count < 1:
            raise UsageError(
                f"count: expected at least 1, got {self.count}; a/very/long/" + "x" * 90
            )


def parsed(*arguments):
    return parse(Config, arguments, prog="prog", description="text")


def test_options_fill_the_dataclass():
    assert parsed() == Config()
    assert parsed("--size", "3x4", "--folder", "a b", "--count", "7") == Config(
        size=(3, 4), folder=Path("a b"), count=7
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--count", "x"], "--count"),
        (["--count", "0"], "count: expected at least 1, got 0; a/very/long/xxx"),
        (["--cuont", "1"], "--cuont"),
        (["--size", "4"], "expected WIDTHxHEIGHT such as 40x50, got '4'"),
        (["--count"], "--count"),
    ],
)
def test_usage_errors_are_one_line(arguments, said, capsys):
    with pytest.raises(UsageError) as error:
        parsed(*arguments)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert capsys.readouterr().err == ""


def test_help_shows_docstrings_and_defaults(capsys):
    with pytest.raises(SystemExit) as leave:
        parsed("--help")
    assert not leave.value.code
    shown = capsys.readouterr().out
    assert "How many." in shown
    assert "40x50" in shown


@pytest.mark.parametrize("total", [0, 3, None])
def test_progress_in_a_log_is_lines_with_a_true_total(monkeypatch, total):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(module, "LOG_SECONDS", 0.0)
    with Console().progress("verifying", total) as bar:
        for _ in range(total or 2):
            bar.update(1)
    text = stream.getvalue()
    assert "\r" not in text
    if total:
        assert "verifying: 3 of 3 (100%)" in text
        assert "left" in text


def test_quiet_prints_nothing(capsys):
    console = Console(quiet=True)
    console.say("x")
    with console.progress("x", 3) as bar:
        bar.update(3)
    assert capsys.readouterr() == ("", "")


def test_durations_read_well():
    assert [duration(s) for s in (0.4, 59, 67, 7800)] == ["0 s", "59 s", "1 min 7 s", "2 h 10 min"]


def test_an_unreadable_file_is_one_line(capsys, tmp_path):
    def command():
        (tmp_path / "missing").read_bytes()

    assert module.run_command(command) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: No such file or directory: '")
    assert error.count("\n") == 1


def test_names_are_escaped_where_the_output_lacks_their_letters(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    assert module.run_command(lambda: print("\u00e9.txt")) == 0
    stream.flush()
    assert stream.buffer.getvalue() == b"\\xe9.txt\n"


def test_a_closed_standard_error_is_no_failure(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)

    def command():
        with Console().progress("samples", 1) as bar:
            bar.update(1)

    assert module.run_command(command) == 0
