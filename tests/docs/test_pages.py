"""Pages name files that exist, and the drawing is well formed."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
PATH = re.compile(r"`((?:evafast|tests|benchmarks|training|docs|examples|\.ci)/[\w./-]*)")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
GENERATED = {ROOT / "docs" / "quickstart.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_paths_and_links_exist(page):
    text = page.read_text(encoding="utf-8")
    paths = [ROOT / name for name in PATH.findall(text)]
    links = [(page.parent / name).resolve() for name in LINK.findall(text)]
    missing = [str(path) for path in paths + links if not path.exists() and path not in GENERATED]
    assert not missing


def test_every_package_is_in_the_table_of_imports():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = set(re.findall(r"`([\w.]+?)/?`", text))
    packages = {p.name for p in (ROOT / "evafast").iterdir() if (p / "__init__.py").exists()}
    modules = {p.name for p in (ROOT / "evafast").glob("*.py")} - {"__init__.py"}
    assert packages | modules <= table


def test_the_drawing_is_well_formed_and_self_contained():
    drawing = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
    assert ElementTree.fromstring(drawing).tag.endswith("svg")
    assert not re.findall(r"(?:href|url\(['\"]?http)", drawing)
