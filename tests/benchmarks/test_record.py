"""Races and records: the arithmetic, the schema, and that what is committed keeps to it."""

from __future__ import annotations

import copy
import json
import platform
import re

import pytest

from benchmarks import record as records
from benchmarks.race import Contender, Race

COMMITTED = sorted(records.RESULTS.glob("*.json"))
OURS = [path for path in COMMITTED if "--" in path.name]


def test_ratios_are_taken_round_by_round(small_record):
    ours, other = small_record["rows"]
    assert (ours["rate"]["median"], ours["rate"]["rounds"]) == (200, 3)
    assert other["rate"]["median"] == 50
    (ratio,) = small_record["ratios"]
    assert (ratio["median"], ratio["q1"], ratio["q3"]) == (4, 4, 4)  # of rates: 200/50, 400/100
    assert (ratio["aim"], ratio["met"]) == (5, False)


def test_contenders_take_turns_and_warm_up_once():
    order = []
    race = Race([
        Contender(name, role, lambda name=name: order.append(name), 1)
        for name, role in (("a", "ours"), ("b", "peer"), ("c", "limit"))
    ])  # fmt: skip
    race.run(None, 3, patience=1)
    assert "".join(order) == "abc" + "bca" + "cba" + "bca"
    assert all(len(c.seconds) == 3 for c in race.contenders.values())


def test_what_is_done_before_a_round_is_not_timed():
    import time

    slow = Contender("a", "ours", lambda: None, 1, before=lambda: time.sleep(0.05))
    race = Race([slow])
    race.run(None, 2, patience=1)
    assert max(slow.seconds) < 0.04


def test_disturbed_rounds_are_run_again_and_the_quietest_kept(monkeypatch):
    shares = iter([0.9, 0.05, 0.5, 0.02, 0.01, 0.03, 0.0])
    monkeypatch.setattr("benchmarks.race.Others.share", lambda self: next(shares))
    count = iter(range(100))
    race = Race([Contender("a", "ours", lambda: next(count), 1)])
    race.run(None, 4)
    assert race.rounds == {"run": 6, "kept": 4, "others_took": 0.025}
    assert len(race.contenders["a"].seconds) == 4
    assert next(count) == 7  # a round to warm up, then six


def test_what_others_take_is_seen():
    import subprocess
    import sys
    import time

    from benchmarks.others import Others

    others = Others()
    others.start()
    busy = "import time\nend = time.time() + 30\nwhile time.time() < end: pass"
    with subprocess.Popen([sys.executable, "-c", busy]) as other:
        time.sleep(0.6)
        share = others.share()
        other.kill()
    if share is None:
        pytest.skip("this system does not tell")
    assert 0.1 / 64 < share <= 1


def test_a_record_keeps_to_the_schema_and_comes_back(small_record, tmp_path):
    path = records.write(small_record, tmp_path)
    assert path.name == f"made-up--{small_record['machine']['name']}.json"
    assert records.read_all(tmp_path) == [small_record]


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda r: r.pop("commit"), "record.commit: missing"),
        (lambda r: r.update(speed=1), "record.speed: not in the schema"),
        (lambda r: r.update(schema=2), "record.schema: expected one of"),
        (lambda r: r.update(name="Made up"), "record.name: expected"),
        (lambda r: r["rows"].clear(), "record.rows: expected at least 1"),
        (lambda r: r["rows"][0].update(role="hero"), "rows[0].role: expected one of"),
        (lambda r: r["rows"][1]["rate"].update(median=0), "rate.median: expected more than 0"),
        (lambda r: r["rows"][1]["rate"].update(median=True), "rate.median: expected number"),
        (lambda r: r["ratios"][0].pop("to"), "ratios[0].to: missing"),
        (lambda r: r["skipped"].update(x=None), "skipped.x: expected string"),
    ],
)
def test_a_broken_record_is_refused(small_record, tmp_path, break_it, says):
    broken = copy.deepcopy(small_record)
    break_it(broken)
    assert any(says in fault for fault in records.faults_of(broken)), records.faults_of(broken)
    with pytest.raises(ValueError, match="record"):
        records.write({"name": "x", **broken}, tmp_path)


def test_the_schema_is_json_schema_as_others_read_it(small_record):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(records.schema())
    jsonschema.validate(small_record, records.schema())


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_committed_records_keep_to_the_schema(path):
    read = json.loads(path.read_text(encoding="utf-8"))
    assert records.faults_of(read) == []
    assert path.name == f"{read['name']}--{read['machine']['name']}.json"
    assert read["commit"], "a record must say which code it measured"
    named = {row["name"] for row in read["rows"]}
    # From the rows, by benchmarks/stages.py.
    stated = {"what the stages allow", "what the libraries alone allow"}
    for ratio in read["ratios"]:
        assert ratio["of"] in named
        assert ratio["to"] in named | stated or ratio["to"].startswith("matmul")
        assert ratio["q1"] <= ratio["median"] <= ratio["q3"]
        assert ratio.get("met") in (None, ratio["median"] >= ratio.get("aim", 0))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_committed_files_name_no_path_and_no_host(path):
    text = path.read_text(encoding="utf-8").replace("https://json-schema.org", "")
    assert not re.search(r"[\"\s=:](/(home|root|tmp|work|mnt|usr|opt|Users)\b|[A-Z]:\\\\)", text)
    assert platform.node() not in text
