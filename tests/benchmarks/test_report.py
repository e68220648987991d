"""Tables, chart and GPU tables: what is in the records is in them, losses included."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree

import pytest

from benchmarks import record as records
from benchmarks.gpu_tables import NOTHING, gpu_block
from benchmarks.report import Report, as_text, figure, main, table


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
    assert "| ours / other | 4.00 (4.00 to 4.00) | 5.00: **missed** |" in text
    assert "peak memory: 640 MB" in text
    assert "third skipped: not installed: third" in text


def test_a_faster_peer_stands_above_ours(small_record):
    small_record["rows"][1]["rate"]["median"] = 900
    for text in (table(small_record), as_text(small_record)):
        assert text.index("other") < text.index("ours")


def test_the_terminal_shows_a_missed_aim(small_record):
    assert "aim 5.00: MISSED" in as_text(small_record)


def test_the_chart_is_drawn_from_the_records(small_record, tmp_path, capsys):
    small_record["name"] = "compositing"
    records.write(small_record, tmp_path)
    assert main(["--records", str(tmp_path), "--chart"]) == 0
    (path,) = tmp_path.glob("*.svg")
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    texts = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"ours", "200", "other", "50.0 (other pixels)"} <= set(texts)
    widths = {
        e.get("class"): float(e.get("width"))
        for e in root.iter("{http://www.w3.org/2000/svg}rect") if e.get("height") == "22"
    }  # fmt: skip
    assert widths["ours"] == pytest.approx(4 * widths["peer"], abs=0.2)
    assert "prefers-color-scheme: dark" in path.read_text(encoding="utf-8")


def test_a_readme_is_rewritten_between_its_marks_only(small_record, tmp_path):
    records.write(small_record, tmp_path)
    text = (
        "# Title\n\nIt does <!-- benchmarks:rate made-up/ours -->9<!-- /benchmarks --> a second, "
        "<!-- benchmarks:ratio made-up/ours/other --><!-- /benchmarks --> times as many, in "
        "<!-- benchmarks:fact made-up/peak_memory_bytes --><!-- /benchmarks -->.\n\n"
        "<!-- benchmarks:made-up -->\nold\n<!-- /benchmarks -->\nend 17\n"
    )
    readme = tmp_path / "README.md"
    readme.write_text(text, encoding="utf-8")
    assert main(["--records", str(tmp_path), "--readme", str(readme)]) == 0
    new = readme.read_text(encoding="utf-8")
    assert "-->200<!--" in new
    assert "-->4.00<!--" in new
    assert "-->640 MB<!--" in new
    assert table(small_record) in new
    assert "old" not in new
    assert new.startswith("# Title\n")
    assert new.endswith("end 17\n")
    assert Report(tmp_path).rewritten(new) == new


@pytest.mark.parametrize("name", ["nothing", "rate made-up/nobody", "ratio made-up/ours/nobody"])
def test_a_mark_without_a_record_is_an_error(small_record, tmp_path, capsys, name):
    records.write(small_record, tmp_path)
    readme = tmp_path / "README.md"
    readme.write_text(f"<!-- benchmarks:{name} --><!-- /benchmarks -->", encoding="utf-8")
    assert main(["--records", str(tmp_path), "--readme", str(readme)]) == 1
    assert "error: no r" in capsys.readouterr().err


def test_gpu_records_of_the_other_programs_are_listed(tmp_path):
    assert gpu_block(tmp_path) == NOTHING
    spread = {"median": 1e-4, "q1": 1e-4, "q3": 1e-4, "runs": 5}
    common = {
        "commit": "a" * 40, "changed": False, "time": "2026-01-02T03:04:05+00:00",
        "device": {"name": "A GPU"},
    }  # fmt: skip
    (tmp_path / "compositing_gpu.json").write_text(json.dumps({
        "benchmark": "compositing_gpu", "dry_run": False, **common,
        "ceilings": {"copy_gbps": 2000.0, "fill_gbps": 2500.0}, "skipped": {"numba-cuda": "gone"},
        "ours": [{
            "backend": "cupy", "layout": "nhwc", "network": "None", "batch": 512, "kernel": spread,
            "host": spread, "gbps": 1234.0, "of_copy": 0.617, "samples_per_second": 7.5e6,
        }],
        "peers": [
            {"peer": "kornia", "batch": 512, "missing": "ImportError: no kornia"},
            {"peer": "torch", "batch": 512, "seconds": spread, "samples_per_second": 1e5,
             "largest_difference": 0},
        ],
    }))  # fmt: skip
    (tmp_path / "run_gpu.json").write_text(json.dumps({
        "benchmark": "run_gpu", **common,
        "steps": [{"step": "tests", "code": 0, "seconds": 12.5, "counts": {"passed": 40}}],
    }))  # fmt: skip
    (tmp_path / "depth.json").write_text(json.dumps({"benchmarks": [{
        "name": "test_densedepth169[cuda-bf16-224]",
        "extra_info": {"images_per_second": 9000.0, "precision": "bf16", "batch": 256,
                       "tflops": 360.0, "part_of_peak": 0.45, "device": "A GPU"},
    }]}))  # fmt: skip
    text = gpu_block(tmp_path)
    for part in ("0.62 | 7.50", "ImportError: no kornia", "numba-cuda skipped: gone", "40 passed",
                 "9,000 | 360.0 | 0.45"):  # fmt: skip
        assert part in text


def test_every_committed_record_makes_a_table_and_its_chart_is_up_to_date():
    report = Report()
    for record in report.records:
        assert f"**{record['title']}**" in table(record)
    for machine in report.machines():
        from benchmarks.chart import chart

        mine = {r["name"]: r for r in report.records if r["machine"]["name"] == machine}
        drawn = report.folder / f"chart--{machine}.svg"
        assert drawn.read_text(encoding="utf-8") == chart(mine, figure)
