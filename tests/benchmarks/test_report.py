"""Tables, chart and marked blocks: what is in the records is in them, losses included."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from benchmarks.harness import record as records
from benchmarks.harness.report import (
    as_text,
    by_machine,
    chart_of,
    figure,
    main,
    rewritten,
    summary,
    table,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(73_649.2, "73,600"), (4.956, "4.96"), (0.6117, "0.612"), (999.9, "1,000"), (0, "0"),
     (12.34, "12.3"), (1_500_000_000, "1,500,000,000"), (0.00123, "0.00123"), (100.0, "100")],
)  # fmt: skip
def test_figures_have_three_digits(value, text):
    assert figure(value) == text


def test_a_table_shows_rates_ratios_and_missed_aims(small_record):
    text = table(small_record)
    assert "| **ours** | 200 (200 to 300) | yes |  |" in text
    assert "| other | 50.0 (50.0 to 75.0) | no | slow |" in text
    assert "| ours / other | 4.00 (4.00 to 4.00) | aim 5.00: **missed** |" in text
    assert "peak memory: 640 MB" in text
    assert "third skipped: not installed: third" in text


def test_a_faster_peer_stands_above_ours(small_record):
    small_record["rows"][1]["rate"]["median"] = 900
    for text in (table(small_record), as_text(small_record)):
        assert text.index("other") < text.index("ours")


def test_the_terminal_shows_missed_aims_and_weak_figures(small_record):
    small_record["facts"]["weak"] = "busy machine: 2 of 5 rounds, spread 30 %"
    text = as_text(small_record)
    assert "aim 5.00: missed" in text
    assert "weak figures: busy machine: 2 of 5 rounds" in text


def test_the_summary_shows_a_comparison_that_is_lost(small_record):
    small_record["name"] = "loading"
    small_record["rows"][0]["name"] = "evafast, webdataset"
    small_record["rows"][1]["name"] = "webdataset library, OpenCV"
    names = {"of": "evafast, webdataset", "to": "webdataset library, OpenCV", "median": 0.8}
    small_record["ratios"] = [{**small_record["ratios"][0], **names}]
    text = summary([small_record])
    assert "one process | **200** samples | 0.800 (webdataset + OpenCV, aim 5.00" in text


def test_the_chart_is_drawn_from_the_records(small_record, tmp_path):
    small_record["name"] = "compositing"
    records.write(small_record, tmp_path)
    readme = tmp_path / "README.md"
    readme.write_text("nothing marked", encoding="utf-8")
    assert main(["--records", str(tmp_path), "--update", str(readme)]) == 0
    (path,) = tmp_path.glob("*.svg")
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    texts = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"ours", "200", "other", "50.0 (other pixels)"} <= set(texts)
    widths = {
        e.get("class"): float(e.get("width"))
        for e in root.iter("{http://www.w3.org/2000/svg}rect") if e.get("height") == "22"
    }  # fmt: skip
    assert widths["ours"] == pytest.approx(4 * widths["peer"], abs=0.2)


def test_only_marked_blocks_are_rewritten(small_record, tmp_path, capsys):
    records.write(small_record, tmp_path)
    readme = tmp_path / "README.md"
    text = "# Title 17\n<!-- benchmarks:tables -->\nold\n<!-- /benchmarks -->\nend 17\n"
    readme.write_text(text, encoding="utf-8")
    assert main(["--records", str(tmp_path), "--update", str(readme)]) == 0
    new = readme.read_text(encoding="utf-8")
    assert table(small_record) in new
    assert "old" not in new
    assert new.startswith("# Title 17\n<!--")
    assert new.endswith("-->\nend 17\n")
    assert rewritten(new, [small_record]) == new
    readme.write_text(text.replace("tables", "nothing"), encoding="utf-8")
    assert main(["--records", str(tmp_path), "--update", str(readme)]) == 1
    assert "expected block summary or tables, got 'nothing'" in capsys.readouterr().err


def test_the_committed_charts_are_up_to_date():
    for machine, mine in by_machine(records.read_all()).items():
        if drawn := chart_of(mine):
            path = records.RESULTS / f"chart--{machine}.svg"
            assert path.read_text(encoding="utf-8") == drawn, "run: benchmarks.report --update"
