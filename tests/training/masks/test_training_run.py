"""Runs: they learn, resume to the bit and share the work; commands fail in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("lightning")
pytest.importorskip("kornia")

from evafast import UsageError
from training.masks import evaluate, predict
from training.masks import export as exporting
from training.masks.checkpoint import open_checkpoint
from training.masks.config import LossConfig, MaskTrainConfig
from training.masks.data import open_source
from training.masks.module import MaskDepthModule
from training.masks.train import BEST, CONFIG, LAST, main, train

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def learned(tmp_path_factory, config):
    """The run folder of a tiny network trained for some seconds."""
    options = {"batch_size": 16, "steps": 80, "rate": 1e-2}
    config = replace(
        config, **options, validate_every=40, validation_samples=64,
        data=replace(config.data, placements=20),
    )  # fmt: skip
    out = tmp_path_factory.mktemp("run") / "learned"
    train(config, out)
    return out


def test_learns_far_above_the_baselines(learned):
    checkpoint = open_checkpoint(learned / BEST)
    source = open_source(checkpoint.config.data, "cpu")
    record = evaluate.evaluate(checkpoint, source, torch.device("cpu"), samples=96)
    scores = record["scores"]
    floor = max(scores["difference"]["iou"], scores["always background"]["iou"])
    assert scores["tiny"]["iou"] > 0.6
    assert scores["tiny"]["iou"] > floor + 0.1
    assert record["augmented"]
    assert record["parameters"] < 100_000
    assert 0 < record["share_waiting_for_data"] < 1
    assert json.loads(json.dumps(record)) == record


def test_a_run_leaves_what_it_promises(learned):
    assert {BEST, LAST, CONFIG, "augmented.jpg"} <= {p.name for p in learned.iterdir()}
    assert any("tfevents" in p.name for p in learned.iterdir())
    assert MaskTrainConfig.from_dict(json.loads((learned / CONFIG).read_text())).steps == 80
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(learned))
    events.Reload()
    assert {"train/loss", "val/iou", "val/boundary_f", "pace/share_waiting_for_data"} <= set(
        events.Tags()["scalars"]
    )
    assert events.Tags()["images"] == ["validation"]
    stored = torch.load(learned / BEST, weights_only=True)["state_dict"]
    assert all(name.startswith("model.") for name in stored)  # each weight once


def test_learns_the_teachers_depth(config, teacher, tmp_path):
    data = replace(config.data, depth=str(teacher), depth_input=32)
    losses = LossConfig.parse("bce=0.01,l1=1,rmse=0.1,ssim=0.1,gradient=0.1")
    config = replace(config, data=data, losses=losses, rate=1e-2, validate_every=4)
    found = []
    for steps in (4, 40):
        trainer = train(replace(config, steps=steps), tmp_path / str(steps))
        found.append({k: float(v) for k, v in trainer.callback_metrics.items()})
    assert found[1]["val/rmse"] < 0.85 * found[0]["val/rmse"]
    assert found[1]["val/delta1"] > 0.5
    assert {f"train/{name}" for name in ("l1", "rmse", "ssim", "gradient")} <= set(found[1])


class Stopped(Exception):
    """Simulates a machine that fails."""


@pytest.mark.parametrize("stop_after", [3, 5])
def test_resume_is_bit_exact(config, tmp_path, monkeypatch, stop_after):
    train(config, tmp_path / "whole")
    expected = torch.load(tmp_path / "whole" / LAST, weights_only=True)

    def stop(module, *_):
        if module.global_step == stop_after:
            module.trainer.save_checkpoint(tmp_path / "cut" / LAST)
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(MaskDepthModule, "on_train_batch_end", stop)
        with pytest.raises(Stopped):
            train(config, tmp_path / "cut")
    train(config, tmp_path / "cut", resume=True)
    found = torch.load(tmp_path / "cut" / LAST, weights_only=True)
    assert found["global_step"] == expected["global_step"] == 6
    for name, value in expected["state_dict"].items():
        assert torch.equal(value, found["state_dict"][name]), name
    states = [c["optimizer_states"][0]["state"] for c in (expected, found)]
    for number, state in states[0].items():
        for name, value in state.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(states[1][number][name]))
    fresh = MaskDepthModule(config.to_dict()).state_dict()
    stem = "model.stem.0.weight"
    assert not torch.equal(fresh[stem], expected["state_dict"][stem])  # it did learn


def test_two_processes_share_a_pass_without_overlap(config, tmp_path):
    count = 6 * 12 * 3  # training backgrounds x foregrounds x placements
    options = {"batch_size": 18, "steps": 6, "validate_every": 6}  # 2 ranks x 18 x 6 = 216
    config = replace(config, **options, validation_samples=24)
    (tmp_path / "config.json").write_text(json.dumps(config.to_dict()))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COV_")}
    environment |= {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
         str(HERE / "ddp_worker.py"), str(tmp_path)],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    ranks = [json.loads((tmp_path / f"rank{r}.json").read_text()) for r in (0, 1)]
    assert len(ranks[0]["seen"]) == len(ranks[1]["seen"]) == count // 2
    assert len({*ranks[0]["seen"], *ranks[1]["seen"]}) == count
    assert ranks[0]["weights"] == ranks[1]["weights"]
    assert ranks[0]["val_iou"] == ranks[1]["val_iou"]


def test_starts_from_another_runs_weights(config, learned, tmp_path):
    config = replace(config, init=str(learned / BEST), steps=2, rate=1e-6, validation_samples=48)
    trainer = train(config, tmp_path / "run")
    assert float(trainer.callback_metrics["val/iou"]) > 0.5
    with pytest.raises(UsageError, match="init: expected preset small, got tiny"):
        train(replace(config, preset="small", init=str(learned / BEST)), tmp_path / "other")


def test_minutes_end_a_run_and_the_rate_with_it(config, tmp_path):
    trainer = train(replace(config, minutes=0.01, validate_every=2), tmp_path / "run")
    module = trainer.lightning_module
    assert module.progress == 1
    assert trainer.optimizers[0].param_groups[0]["lr"] < 0.5 * config.rate
    assert (tmp_path / "run" / LAST).is_file()


# -- commands ------------------------------------------------------------------------------------


def test_train_command_and_resume(image_folders, tmp_path, capsys):
    backgrounds, foregrounds = map(str, image_folders)
    out = str(tmp_path / "run")
    small = ["--preset", "tiny", "--size", "16", "--canvas", "48", "--batch-size", "4", "--steps",
             "2", "--validation-samples", "4", "--depth", "none", "--device", "cpu"]  # fmt: skip
    begin = ["--backgrounds", backgrounds, "--foregrounds", foregrounds, "--out", out, *small]
    assert main(begin) == 0
    said = capsys.readouterr().err
    assert "held out by asset" in said
    assert "step 2" in said
    before = (tmp_path / "run" / BEST).read_bytes()
    assert main(begin) == 2  # never over an old run
    assert "out: expected a new or empty folder" in capsys.readouterr().err
    assert (tmp_path / "run" / BEST).read_bytes() == before
    assert main(["--resume", out, "--quiet"]) == 0


def test_predict_writes_three_files_at_the_composites_size(learned, image_folders, tmp_path):
    from evafast import Bank, Recipe, composite
    from evafast.assets.preprocess import AssetConfig

    assets = AssetConfig(canvas=90, foreground_size=60, min_foreground=(10, 10))
    bank = Bank.from_folders(*image_folders, assets)
    made = composite(bank, Recipe.for_bank(bank)[40:41], backend="pillow")
    Image.fromarray(bank.backgrounds[0]).save(tmp_path / "bg.png")
    Image.fromarray(made.image[0].numpy()).save(tmp_path / "both.png")
    files = [str(learned / BEST), str(tmp_path / "bg.png"), str(tmp_path / "both.png")]
    assert predict.main([*files, "--device", "cpu"]) == 0
    mask = np.asarray(Image.open(tmp_path / "both-mask.png"))
    assert mask.shape == (90, 90)
    assert Image.open(tmp_path / "both-overlay.jpg").size == (180, 90)
    assert np.load(tmp_path / "both-depth.npy").shape == (90, 90)
    truth = made.mask[0].numpy() >= 128
    assert (truth & (mask >= 128)).sum() > 0.5 * (truth | (mask >= 128)).sum()
    assert predict.main([*files, "--device", "cpu"]) == 2  # nothing is overwritten


def test_evaluate_command_writes_a_record(learned, tmp_path, capsys):
    out, picture = tmp_path / "record.json", tmp_path / "sheet.jpg"
    words = [str(learned / BEST), "--samples", "16", "--device", "cpu", "--out", str(out)]
    assert evaluate.main([*words, "--picture", str(picture)]) == 0
    shown = capsys.readouterr().out
    assert "| difference |" in shown
    record = json.loads(out.read_text())
    assert record["command"].startswith("python -m training.masks.evaluate")
    assert record["samples"] == 16
    assert Image.open(picture).size == (4 * 48, 8 * 48)  # no depth
    assert evaluate.main(words) == 2


def test_evaluates_on_other_images(learned, image_folders, capsys):
    backgrounds, foregrounds = map(str, image_folders)
    words = [str(learned / BEST), "--samples", "8", "--device", "cpu", "--split", "placement"]
    assert evaluate.main([*words, "--backgrounds", backgrounds, "--foregrounds", foregrounds]) == 0
    assert evaluate.main([*words, "--backgrounds", backgrounds]) == 2
    assert "expected both folders" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "words", "said"),
    [
        (main, ["--size", "50"], "size: expected a multiple of 16"),
        (main, ["--split", "day"], "split: expected asset, placement, got 'day'"),
        (main, ["--preset", "huge"], "preset: expected full, small, tiny"),
        (main, ["--losses", "huber=1"], "losses: expected names among"),
        (main, ["--steps", "many"], "--steps"),
        (main, ["--backgrounds", "x"], "expected both folders or neither"),
        (main, ["--dataset", "nowhere", "--depth", "none"], "nowhere"),
        (main, ["--resume", "nowhere"], "resume: expected a run folder with config.json"),
        (evaluate.main, ["nowhere.ckpt"], "checkpoint: expected a file, got none"),
        (evaluate.main, ["x", "--samples", "0"], "samples: expected at least 1"),
        (predict.main, ["a.ckpt", "no.png", "no.png"], "background: expected an image"),
        (exporting.main, ["nowhere.ckpt", "x.onnx"], "checkpoint: expected a file"),
    ],
)
def test_mistakes_end_in_one_line(command, words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        code = command([*words, *(["--device", "cpu"] if command is main else [])])
    except SystemExit as stopped:
        code = stopped.code
    lines = capsys.readouterr().err.strip().splitlines()
    assert code == 2
    assert lines[-1].startswith("error: ")
    assert said in lines[-1]
    assert "Traceback" not in "\n".join(lines)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, capsys):
    for content in (b"", b"not a checkpoint", b"PK\x03\x04"):
        (tmp_path / "x.ckpt").write_bytes(content)
        assert evaluate.main([str(tmp_path / "x.ckpt"), "--device", "cpu"]) == 2
        assert "checkpoint: expected one of training.masks.train" in capsys.readouterr().err
