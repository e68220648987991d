"""Metrics and the NYU protocol, against values computed by hand."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch

from evafast.depth.estimator import DepthMaps
from evafast.depth.evaluation import EIGEN_CROP, DepthErrors, evaluate, predict_metres
from evafast.errors import RunError, UsageError


def test_metrics_by_hand():
    errors = DepthErrors()
    # Ratios 1, 1.25 (not below 1.25), 1.5 and 2.5; the fifth pixel has no truth.
    prediction = torch.tensor([[[1.0, 2.5, 3.0, 4.0, 9.0]]])
    truth = torch.tensor([[[1.0, 2.0, 2.0, 10.0, 0.0]]])
    errors.add(prediction, truth)
    m = errors.pooled()
    assert (m.delta1, m.delta2, m.delta3, m.pixels) == (0.25, 0.75, 0.75, 4)
    assert m.rel == pytest.approx((0 + 0.25 + 0.5 + 0.6) / 4)
    assert m.rms == pytest.approx(math.sqrt((0.25 + 1 + 36) / 4))
    assert m.log10 == pytest.approx((math.log10(1.25) + math.log10(1.5) + math.log10(2.5)) / 4)
    assert errors.per_image() == m


def test_pooled_and_per_image_differ_as_stated():
    errors = DepthErrors()
    errors.add(torch.tensor([[1.0, 1.0], [6.0, 6.0]]), torch.tensor([[1.0, 1.0], [2.0, 2.0]]))
    assert len(errors) == 2
    assert errors.pooled().rms == pytest.approx(math.sqrt(8))
    assert errors.per_image().rms == pytest.approx(2)
    assert errors.pooled().delta1 == errors.per_image().delta1 == 0.5


def test_batching_does_not_matter():
    generator = torch.Generator().manual_seed(0)
    prediction, truth = 0.1 + torch.rand(2, 7, 1, 5, 6, generator=generator)
    truth[2, 0, 1:] = 0
    whole, parts = DepthErrors(), DepthErrors()
    whole.add(prediction, truth)
    for part in (slice(0, 3), slice(3, 7)):
        parts.add(prediction[part], truth[part])
    assert len(parts) == len(whole) == 7
    assert parts.pooled() == whole.pooled()
    assert parts.per_image() == whole.per_image()
    assert whole.pooled().pixels == int((truth > 0).sum())


def test_swapped_arguments_show():
    one, other = DepthErrors(), DepthErrors()
    prediction, truth = torch.tensor([[2.0]]), torch.tensor([[1.0]])
    one.add(prediction, truth)
    other.add(truth, prediction)
    assert one.pooled().rel == 1.0
    assert other.pooled().rel == 0.5


def test_refusals():
    errors = DepthErrors()
    with pytest.raises(UsageError, match="at least one image"):
        errors.pooled()
    with pytest.raises(UsageError, match="shape"):
        errors.add(torch.ones(1, 2), torch.ones(1, 3))
    with pytest.raises(UsageError, match="add an axis"):
        errors.add(torch.ones(2), torch.ones(2))
    with pytest.raises(UsageError, match="got none"):
        errors.add(torch.ones(2, 2), torch.tensor([[1.0, 1.0], [0.0, 0.0]]))
    for bad in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(UsageError, match="positive"):
            errors.add(torch.tensor([[bad]]), torch.ones(1, 1))


class Ramp:
    """Depth that grows to the right by pixel column, in units of 10 m; not symmetric on purpose."""

    kind = "relative"
    metres_per_unit: float | None = 10.0
    device = torch.device("cpu")
    finite = True

    def __call__(self, images):
        n, h, w, _ = images.shape
        columns = (1 + torch.arange(w)) / w + images[..., 0].float().mean((1, 2))[:, None] / 255
        depth = columns[:, None, :].expand(n, h, w).contiguous()
        return DepthMaps(depth=depth, finite=torch.full((n,), self.finite))


def test_mirrored_mean_by_hand():
    images = torch.zeros(1, 2, 4, 3, dtype=torch.uint8)
    plain = predict_metres(Ramp(), images, mirrored=False)
    assert plain[0, 0].tolist() == [2.5, 5.0, 7.5, 10.0]
    mean = predict_metres(Ramp(), images)
    assert mean[0, 1].tolist() == [6.25] * 4


def test_scale_must_be_known_and_depth_finite():
    estimator = Ramp()
    estimator.finite = False
    with pytest.raises(RunError, match="finite"):
        predict_metres(estimator, torch.zeros(1, 2, 4, 3, dtype=torch.uint8))
    estimator.metres_per_unit = None
    with pytest.raises(UsageError, match="--metres-per-unit"):
        predict_metres(estimator, torch.zeros(1, 2, 4, 3, dtype=torch.uint8))


@pytest.mark.parametrize("layout", ["png", "npy", "archive"])
def test_eigen_crop_and_folders(tmp_path, layout):
    truth = np.full((2, 480, 640), 5.0, np.float32)
    rows, columns = EIGEN_CROP
    assert (rows.stop - rows.start, columns.stop - columns.start) == (426, 560)
    # Outside the crop the truth is absurd; inside, one image is off by 2 in depth.
    outside = np.ones((480, 640), bool)
    outside[45:471, 41:601] = False
    truth[:, outside] = 0.001
    truth[1][~outside] = 2.5
    rgb = np.zeros((2, 480, 640, 3), np.uint8)
    if layout == "archive":
        np.save(tmp_path / "eigen_test_rgb.npy", rgb)
        np.save(tmp_path / "eigen_test_depth.npy", truth)
    else:
        (tmp_path / "images").mkdir()
        (tmp_path / "depth").mkdir()
        for i in range(2):
            cv2.imwrite(str(tmp_path / f"images/{i}.png"), rgb[i])
            if layout == "npy":
                np.save(tmp_path / f"depth/{i}.npy", truth[i])
            else:
                millimetres = np.rint(truth[i] * 1000).astype(np.uint16)
                cv2.imwrite(str(tmp_path / f"depth/{i}.png"), millimetres)
    errors = evaluate(Ramp(), tmp_path)
    # The mean with the mirror is 10 * (641 / 2) / 640 = 5.0078 m everywhere.
    predicted = 10 * 641 / 2 / 640
    assert errors.pooled().pixels == 2 * 426 * 560
    assert errors.pooled().delta1 == 0.5
    assert errors.pooled().rel == pytest.approx(
        ((predicted - 5) / 5 + (predicted - 2.5) / 2.5) / 2, rel=1e-5
    )
    assert evaluate(Ramp(), tmp_path, crop=False).pooled().pixels == 2 * 480 * 640


def test_folders_that_do_not_fit(tmp_path):
    with pytest.raises(UsageError, match="got neither"):
        evaluate(Ramp(), tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "depth").mkdir()
    cv2.imwrite(str(tmp_path / "images/a.png"), np.zeros((6, 8, 3), np.uint8))
    with pytest.raises(UsageError, match="16-bit grey PNG"):
        evaluate(Ramp(), tmp_path)
    cv2.imwrite(str(tmp_path / "depth/a.png"), np.zeros((6, 8), np.uint8))
    with pytest.raises(UsageError, match="16-bit grey PNG"):
        evaluate(Ramp(), tmp_path)
    cv2.imwrite(str(tmp_path / "depth/a.png"), np.full((6, 8), 1000, np.uint16))
    with pytest.raises(UsageError, match="480 x 640"):
        evaluate(Ramp(), tmp_path)
    assert evaluate(Ramp(), tmp_path, crop=False).pooled().pixels == 48
    np.save(tmp_path / "depth/a.npy", np.ones((6, 9), np.float32))
    with pytest.raises(UsageError, match="image's size"):
        evaluate(Ramp(), tmp_path, crop=False)
    np.save(tmp_path / "depth/a.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(UsageError, match="npy"):
        evaluate(Ramp(), tmp_path, crop=False)
