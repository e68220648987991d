"""Records: the schema, and that everything committed keeps to it and names no host and no path."""

from __future__ import annotations

import copy
import json
import platform
import re

import pytest

from benchmarks.harness import record as records
from benchmarks.harness.stages import LIBRARIES_ALLOW, STAGES_ALLOW

jsonschema = pytest.importorskip("jsonschema")
COMMITTED = sorted(records.RESULTS.glob("*.json"))


def test_a_record_keeps_to_the_schema_and_comes_back(small_record, tmp_path):
    path = records.write(small_record, tmp_path)
    assert path.name == f"made-up--{small_record['machine']['name']}.json"
    assert records.read_all(tmp_path) == [small_record]


@pytest.mark.parametrize(
    "break_it",
    [
        lambda r: r.pop("commit"),
        lambda r: r.update(speed=1),
        lambda r: r["rows"].clear(),
        lambda r: r["rows"][0].update(role="hero"),
        lambda r: r["rows"][1]["rate"].update(median=0),
        lambda r: r["ratios"][0].pop("to"),
        lambda r: r["skipped"].update(x=None),
    ],
)
def test_a_broken_record_is_refused(small_record, tmp_path, break_it):
    broken = copy.deepcopy(small_record)
    break_it(broken)
    with pytest.raises(jsonschema.ValidationError):
        records.write(broken, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_schema_is_valid():
    schema = json.loads(records.SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("record", records.read_all(), ids=lambda record: record["name"])
def test_committed_records_keep_to_the_schema(record):
    records.check(record)
    assert (records.RESULTS / f"{record['name']}--{record['machine']['name']}.json").exists()
    assert record["commit"], "a record must say which code it measured"
    named = {row["name"] for row in record["rows"]}
    for ratio in record["ratios"]:
        assert ratio["of"] in named
        limits = {STAGES_ALLOW, LIBRARIES_ALLOW}  # computed from the rows
        assert ratio["to"] in named | limits or ratio["to"].startswith("matmul")
        assert ratio["q1"] <= ratio["median"] <= ratio["q3"]
        assert ratio.get("met") in (None, ratio["median"] >= ratio.get("aim", 0))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_committed_files_name_no_path_and_no_host(path):
    text = path.read_text(encoding="utf-8").replace("https://json-schema.org", "")
    assert not re.search(r"[\"\s=:](/(home|root|tmp|work|mnt|usr|opt|Users)\b|[A-Z]:\\\\)", text)
    assert platform.node() not in text
