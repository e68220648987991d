"""Every figure between the README's benchmark marks is a figure of a record."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import record as records
from benchmarks.report import MARK, Report, fact_text, figure

README = Path(__file__).parents[2] / "README.md"
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def numbers_in(text):
    """Return the numbers of a text, as they are written."""
    return {found.strip(",") for found in NUMBER.findall(text)}


def figures_of(values, name=""):
    """Return every way in which the report may write the numbers of a record."""
    if isinstance(values, dict):
        return set().union(*(figures_of(v, k) | numbers_in(k) for k, v in values.items()), set())
    if isinstance(values, list):
        return set().union(*(figures_of(v, name) for v in values), set())
    if isinstance(values, str):
        return numbers_in(values)
    if isinstance(values, bool) or values is None:
        return set()
    whole = {str(values)} if isinstance(values, int) else set()  # counts stand as they are
    return whole | {figure(values), figure(100 * values), *numbers_in(fact_text(name, values))}


def strangers(text, folder):
    """Return the numbers between a text's marks that no record holds."""
    report = Report(folder)
    known = figures_of(report.records) | {r["commit"][:9] for r in report.records if r["commit"]}
    known |= set().union(*(numbers_in(r["commit"][:9]) for r in report.records if r["commit"]))
    known |= set().union(*(figures_of(r) for r in foreign(folder)), set())
    between = " ".join(found["body"] for found in MARK.finditer(text))
    return numbers_in(between) - known


def foreign(folder):
    """Return the records of the GPU programs, whose tables are made by another hand."""
    import json

    return [
        json.loads(p.read_text(encoding="utf-8")) for p in folder.glob("*.json")
        if "--" not in p.name and p.name != "schema.json"
    ]  # fmt: skip


@pytest.fixture
def readme():
    if not README.exists() or not MARK.search(README.read_text(encoding="utf-8")):
        pytest.skip("README.md has no benchmark marks yet")
    return README.read_text(encoding="utf-8")


def test_the_readme_says_what_the_records_say(readme):
    fresh = Report().rewritten(readme)
    assert fresh == readme, "run: python -m benchmarks.report --readme README.md"


def test_every_figure_in_the_readme_is_in_a_record(readme):
    gpu_tables = re.compile(r"<!-- benchmarks:gpu -->.*?<!-- /benchmarks -->", re.DOTALL)
    assert not strangers(gpu_tables.sub("", readme), records.RESULTS)


def test_every_mark_is_closed(readme):
    assert readme.count("<!-- benchmarks:") == readme.count("<!-- /benchmarks -->")
    assert len(MARK.findall(readme)) == readme.count("<!-- benchmarks:")


@pytest.fixture
def written(small_record, tmp_path):
    """Return a folder with a record and a README made from it."""
    records.write(small_record, tmp_path)
    marks = (
        "3,141 stands outside. <!-- benchmarks:made-up --><!-- /benchmarks --> and "
        "<!-- benchmarks:ratio made-up/ours/other --><!-- /benchmarks -->"
    )
    return tmp_path, Report(tmp_path).rewritten(marks)


def test_a_readme_from_the_records_passes(written):
    folder, text = written
    assert Report(folder).rewritten(text) == text
    assert strangers(text, folder) == set()


@pytest.mark.parametrize(
    ("true", "false"), [("| 200 (", "| 201 ("), ("4.00 (", "4.10 ("), ("640 MB", "641 MB")]
)
def test_a_wrong_figure_is_found(written, true, false):
    folder, text = written
    assert true in text
    wrong = text.replace(true, false)
    assert Report(folder).rewritten(wrong) != wrong
    assert len(strangers(wrong, folder)) == 1


def test_an_inline_figure_that_was_edited_is_found(written):
    folder, text = written
    wrong = text.replace("-->4.00<!--", "-->4.9<!--")
    assert wrong != text
    assert strangers(wrong, folder) == {"4.9"}
