"""A depth model from outside the package: a class and a line."""

from __future__ import annotations

import json

import pytest
import torch

from evafast.depth.estimator import DepthEstimator
from evafast.depth.models import MODELS, LoadOptions
from evafast.errors import UsageError


class Plane:
    """Metric depth that is the same everywhere: ``plane:METRES``."""

    kind = "metric"
    metres_per_unit = 1.0

    def __init__(self, metres: str, options: LoadOptions) -> None:
        self.metres, self.device = float(metres), options.device

    def identity(self):
        return {"metres": self.metres}

    def size_for(self, height, width, input_size):
        return height, width

    def run(self, images):
        depth = torch.full((len(images), *images.shape[2:]), self.metres, device=self.device)
        return depth, torch.isfinite(depth).flatten(1).all(1)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(MODELS, "plane:", f"{__name__}:Plane")


def test_a_scheme_added_from_outside_loads_and_runs():
    estimator = DepthEstimator.load("plane:2.5")
    maps = estimator(torch.zeros(3, 5, 7, 3, dtype=torch.uint8))
    assert maps.depth.tolist() == torch.full((3, 5, 7), 2.5).tolist()
    assert maps.finite.all()
    identity = estimator.identity()
    assert (identity["model"], identity["metres"], identity["kind"]) == ("plane:2.5", 2.5, "metric")
    assert json.loads(json.dumps(identity)) == identity


def test_messages_list_what_is_registered():
    with pytest.raises(UsageError, match="expected compact, nyu, kitti, hf:ID, plane:ID or a"):
        DepthEstimator.load("plain:2.5")


def test_identities_of_built_in_models_keep_their_form():
    identity = DepthEstimator.load("compact", precision="fp32").identity()
    assert list(identity) == [
        "model", "sha256", "config", "kind", "metres_per_unit", "precision", "device", "input_size",
    ]  # fmt: skip
    assert identity["model"] == "compact"
    assert list(identity["config"]) == [
        "blocks", "growth", "stem", "bottleneck", "reduction", "decoder_width", "inner_activation",
        "align_corners", "final_relu", "leaky_slope", "epsilon",
    ]  # fmt: skip
