"""The depth trainer: its loss, its configs, and runs that resume to the bit."""

import json
import os
import signal

import cv2
import numpy as np
import pytest
import torch

from evafast.depth import DenseDepthConfig, DepthMaps, load_weights
from evafast.errors import UsageError
from training.depth import score, show, train, trainer

TINY = DenseDepthConfig(blocks=(1, 1, 1, 1), growth=4, stem=8, decoder_width=16)


@pytest.fixture(autouse=True)
def tiny_network(monkeypatch):
    monkeypatch.setitem(trainer.NETWORKS, "compact", TINY)


@pytest.fixture
def pairs(tmp_path):
    rng = np.random.default_rng(0)
    for kind in ("rgb", "depth"):
        (tmp_path / "pairs" / kind).mkdir(parents=True)
    for i in range(4):
        image = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / "pairs" / "rgb" / f"{i}.png"), image)
        np.save(tmp_path / "pairs" / "depth" / f"{i}.npy", rng.uniform(1, 9, (48, 64)))
    return tmp_path / "pairs"


@pytest.fixture
def words(pairs):
    return ["--pairs", str(pairs), "--steps", "4", "--batch-size", "2", "--small-side", "64",
            "--device", "cpu"]  # fmt: skip


def test_loss_is_0_at_the_truth_and_grows_with_the_error():
    truth = 1 + 9 * torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    assert float(trainer.depth_loss(truth, truth, 0.5)) == pytest.approx(0, abs=1e-5)
    near = float(trainer.depth_loss(truth + 0.1, truth))
    far = float(trainer.depth_loss(truth + 1.0, truth))
    assert 0.01 < near < far
    # a constant shift: a tenth of L1, no gradient, hardly any structure
    assert far == pytest.approx(0.1 * 1.0, rel=0.2)


def test_defaults_depend_on_the_network():
    compact, large = (trainer.DepthTrainConfig(network=n) for n in ("compact", "169"))
    assert (compact.rate, compact.relative, compact.small, compact.swap) == (2e-3, 1.5, 0.75, 0.25)
    assert (large.rate, large.relative, large.small, large.swap) == (1e-4, 0, 0, 0.5)
    assert trainer.DepthTrainConfig(network="169", rate=1e-3).rate == 1e-3
    for changed in ({"network": "1"}, {"steps": 0}, {"rate": 2.0}, {"small_side": 100}):
        with pytest.raises(UsageError, match=next(iter(changed)).replace("network", "config")):
            trainer.DepthTrainConfig(**changed)


def test_a_run_is_resumed_to_the_bit(words, tmp_path, monkeypatch, capsys):
    out = {name: tmp_path / name for name in ("whole", "cut")}
    assert train.main(["--out", str(out["whole"]), *words]) == 0
    learn = trainer.Trainer._learn

    def interrupted(self, *batch):
        if self._step == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return learn(self, *batch)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Trainer, "_learn", interrupted)
        assert train.main(["--out", str(out["cut"]), *words]) == 130
    assert "--resume" in capsys.readouterr().err
    assert train.main(["--out", str(out["cut"]), *words]) == 2  # not without --resume
    assert train.main(["--out", str(out["cut"]), *words, "--resume", "--seed", "1"]) == 2
    assert "resume: expected the options of the stored run" in capsys.readouterr().err
    assert train.main(["--out", str(out["cut"]), *words, "--resume"]) == 0
    whole, cut = (torch.load(o / trainer.CHECKPOINT, weights_only=True) for o in out.values())
    assert whole["step"] == cut["step"] == 4
    for name, value in whole["model"].items():
        assert torch.equal(value, cut["model"][name]), name
    record = json.loads((out["cut"] / "record.json").read_text())
    assert [row["step"] for row in record["history"]] == [2, 4]
    assert load_weights(out["cut"] / "compact.safetensors").metres_per_unit == 10


def test_minutes_end_a_run(words, tmp_path):
    words = [*words, "--steps", "1000", "--minutes", "0.01"]
    assert train.main(["--out", str(tmp_path / "run"), *words]) == 0
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert 0 < record["history"][-1]["step"] < 1000


def test_scores_of_a_network_beside_the_baselines(tmp_path, monkeypatch):
    def loaded(cache, kind, seeds, console):
        count = len(seeds)
        if kind == "things":
            rgba = np.full((count, 176, 176, 4), 255, np.uint8)
            return {"rgba": rgba, "relief": np.zeros((count, 176, 176), np.float32)}
        y = np.linspace(2, 4, count, dtype=np.float16)[:, None, None]
        return {
            "rgb": np.full((count, 224, 224, 3), 100, np.uint8),
            "y": np.broadcast_to(y, (count, 224, 224)), "indoors": np.arange(count) % 2 > 0,
        }  # fmt: skip

    def network(images):  # white is near
        depth = torch.where(images[..., 0] > 200, 0.1, 0.4)
        return DepthMaps(depth=depth, finite=torch.ones(len(depth), dtype=torch.bool))

    monkeypatch.setattr(score, "load", loaded)
    monkeypatch.setattr(score, "SCENES", 4)
    monkeypatch.setattr(score, "THINGS", 2)
    found = score.score(network, tmp_path)
    assert found["scenes_count"] == found["right_way"]["count"] == 4
    assert found["right_way"]["object_before_true_depth_of_hidden"] == 1
    assert found["scenes"]["network"]["delta2"] == 0.75  # 0.4 against 0.5, 0.375, 0.3, 0.25
    assert set(found["composites"]) == {"network", "constant depth", "vertical gradient"}
    json.dumps(found)


def test_show_draws_images_above_their_depth(tmp_path):
    out = tmp_path / "sheet.png"
    assert show.main([str(out), "--count", "2", "--columns", "2", "--scale", "1"]) == 0
    page = cv2.imread(str(out))
    assert page.shape == (2 * 224 + 3 * 6, 2 * 224 + 3 * 6, 3)
    assert show.main([str(out), "--pictures", str(tmp_path / "none")]) == 2


def test_measures_are_rounded_metrics():
    truth = np.array([0.1, 0.2, 0.4, 0.8])
    found = score.measures(np.array([0.1, 0.26, 0.2, 1.6]), truth)
    assert list(found) == ["delta1", "delta2", "delta3", "rel", "rms", "log10"]
    assert found["delta1"] == 0.25
    assert found["rel"] == pytest.approx((0.3 + 0.5 + 0.25) / 4, abs=1e-4)
