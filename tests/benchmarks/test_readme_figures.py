"""Every figure between the READMEs' benchmark marks comes from a record."""

from __future__ import annotations

import re

import pytest

from benchmarks.harness import record as records
from benchmarks.harness.machine import ROOT
from benchmarks.harness.report import BLOCK, READMES, fact_text, figure, rewritten

NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
UPDATE = "run: python -m benchmarks.report --update"


def numbers_in(text):
    return {found.strip(",") for found in NUMBER.findall(text)}


def figures_of(values, name=""):
    """Return every way in which the report may write the numbers of a record."""
    if isinstance(values, dict):
        return set().union(*(figures_of(v, k) | numbers_in(k) for k, v in values.items()), set())
    if isinstance(values, list):
        return set().union(*(figures_of(v, name) for v in values), set())
    if isinstance(values, str):
        return numbers_in(values) | numbers_in(values[:9])  # commits are cut
    if isinstance(values, bool) or values is None:
        return set()
    whole = {str(values)} if isinstance(values, int) else set()  # counts stand as they are
    return whole | {figure(values), figure(100 * values), *numbers_in(fact_text(name, values))}


def unknown_numbers(text, known_records):
    """Return the numbers between a text's marks that no record has."""
    # Of networks and sizes in the summary's own words; machines' names in the chart's address.
    known = figures_of(known_records) | {"224", "169", "2"}
    return numbers_in(" ".join(found["body"] for found in BLOCK.finditer(text))) - known


@pytest.mark.parametrize("path", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_readme_says_what_the_records_say(path):
    text, known = path.read_text(encoding="utf-8"), records.read_all()
    marks = text.count("<!-- benchmarks:")
    assert marks == text.count("<!-- /benchmarks -->") == len(BLOCK.findall(text)) > 0
    assert rewritten(text, known) == text, UPDATE
    assert not unknown_numbers(text, known)


@pytest.mark.parametrize(
    ("true", "false"), [("| 200 (", "| 201 ("), ("4.00 (", "4.10 ("), ("640 MB", "641 MB")]
)
def test_a_wrong_figure_is_found(small_record, true, false):
    marks = "3,141 stands outside. <!-- benchmarks:tables --><!-- /benchmarks -->"
    text = rewritten(marks, [small_record])
    assert not unknown_numbers(text, [small_record])
    assert true in text
    assert len(unknown_numbers(text.replace(true, false), [small_record])) == 1
