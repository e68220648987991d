"""Depth metrics, and the NYU protocol (mirrored averaging, Eigen crop) over a folder.

A folder has either ``images/NAME.png|jpg`` beside ``depth/NAME.png`` (uint16 millimetres, 0 = no
measurement) or ``depth/NAME.npy`` (float metres), or the arrays of the authors' test archive:
``eigen_test_rgb.npy`` (N, 480, 640, 3) uint8 and ``eigen_test_depth.npy`` (N, 480, 640) float
metres.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evafast.depth.estimator import DepthEstimator, check_finite
from evafast.depth.images import read_rgb
from evafast.errors import UsageError, quoted, refusal

#: Rows and columns of a 480 x 640 NYU image that count (Eigen et al. 2014).
EIGEN_CROP = (slice(45, 471), slice(41, 601))

_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class DepthMetrics:
    """The standard metrics of monocular depth (Eigen, Puhrsch and Fergus, 2014).

    With p the prediction and g the ground truth, over the ``pixels`` whose truth is positive:
    delta_k is the fraction with ``max(p / g, g / p) < 1.25 ** k``, rel is ``mean(|p - g| / g)``,
    rms is ``sqrt(mean((p - g) ** 2))`` and log10 is ``mean(|log10 p - log10 g|)``.
    """

    delta1: float
    delta2: float
    delta3: float
    rel: float
    rms: float
    log10: float
    pixels: int


class DepthErrors:
    """Error sums of a stream of batches, from which both usual averages are computed.

    Papers differ: some pool all pixels, some average the metrics of each image. delta, rel and
    log10 hardly differ between the two, but rms does (0.55 against 0.47 for the authors' nyu.h5).
    """

    def __init__(self) -> None:
        self._sums: list[Tensor] = []

    def add(self, prediction: Tensor, truth: Tensor) -> None:
        """Add N images, float (N, ...), on one device and in one unit.

        Pixels without positive, finite truth do not count. `UsageError` if shapes differ, an image
        has no pixel that counts, or a prediction that counts is not positive and finite.
        """
        if prediction.shape != truth.shape or truth.ndim < 2:
            got = f"{tuple(prediction.shape)} and {tuple(truth.shape)}"
            remedy = "resize one, or add an axis"
            raise refusal("prediction and truth", "one shape (N, ...)", got, remedy)
        counted = torch.isfinite(truth) & (truth > 0)
        # Pixels that do not count become 1 and 1, whose errors are 0.
        p = torch.where(counted, prediction, 1.0).double().flatten(1)
        g = torch.where(counted, truth, 1.0).double().flatten(1)
        pixels = counted.flatten(1).sum(1)
        if not bool((pixels > 0).all()):
            raise refusal("ground truth", "positive depths", "none", "omit the image")
        if not bool((torch.isfinite(p) & (p > 0)).all()):
            remedy = "clamp the prediction"
            raise refusal("prediction", "positive finite depths", "others", remedy)
        ratio = torch.maximum(p / g, g / p)
        terms = [counted.flatten(1) & (ratio < 1.25**k) for k in (1, 2, 3)]
        terms += [(p - g).abs() / g, (p - g).square(), (p.log10() - g.log10()).abs()]
        sums = [term.sum(1).double() for term in terms]
        self._sums.append(torch.stack([*sums, pixels.double()], 1).cpu())

    def __len__(self) -> int:
        return sum(map(len, self._sums))

    def pooled(self) -> DepthMetrics:
        """Return the metrics over all pixels of all images."""
        return self._metrics(pool=True)

    def per_image(self) -> DepthMetrics:
        """Return the mean over images of each image's metrics."""
        return self._metrics(pool=False)

    def _metrics(self, pool: bool) -> DepthMetrics:
        if not self._sums:
            raise refusal("evaluation", "at least one image", "none", "add one")
        sums = torch.cat(self._sums)
        sums = sums.sum(0, keepdim=True) if pool else sums
        means = sums[:, :6] / sums[:, 6:]
        means[:, 4] = means[:, 4].sqrt()
        values: list[Any] = [*means.mean(0).tolist(), int(sums[:, 6].sum())]
        return DepthMetrics(*values)


def predict_metres(estimator: DepthEstimator, images: Tensor, *, mirrored: bool = True) -> Tensor:
    """Return depth in metres, float32 (N, H, W), of uint8 images (N, H, W, 3).

    ``mirrored`` averages with the prediction for the mirrored image.
    """
    metres = estimator.metres_per_unit
    if metres is None:
        expected, got = "a model whose depth is in metres", "one without a known scale"
        raise refusal("evaluate", expected, got, "give --metres-per-unit")
    maps = [estimator(view) for view in ([images, images.flip(2)] if mirrored else [images])]
    for view in maps:
        check_finite(view.finite.cpu(), [f"image {i}" for i in range(len(images))])
    depth = (maps[0].depth + maps[1].depth.flip(2)) / 2 if mirrored else maps[0].depth
    return depth * metres


def evaluate(
    estimator: DepthEstimator, folder: Path, *, crop: bool = True, mirrored: bool = True
) -> DepthErrors:
    """Compare the estimator with a folder's ground truth (see the module).

    ``crop`` counts the Eigen crop only, for which images must be 480 x 640; ``mirrored`` averages
    with the prediction for the mirrored image. `UsageError` if the folder has no pairs, or they do
    not fit each other; `RunError` if a depth is not finite.
    """
    errors = DepthErrors()
    region = EIGEN_CROP if crop else (slice(None), slice(None))
    for name, rgb, truth in _pairs(folder):
        if rgb.shape[:2] != truth.shape:
            expected = f"true depth of the image's size {rgb.shape[:2]}"
            raise refusal(name, expected, truth.shape, "resize it")
        if crop and truth.shape != (480, 640):
            got = f"{truth.shape[0]} x {truth.shape[1]}"
            raise refusal(name, "480 x 640 for the Eigen crop", got, "use --crop none")
        images = torch.from_numpy(rgb)[None].to(estimator.device)
        depth = predict_metres(estimator, images, mirrored=mirrored).cpu()
        try:
            errors.add(depth[:, *region], torch.from_numpy(truth)[None, *region])
        except UsageError as error:
            raise UsageError(f"{name}: {error}") from error
    return errors


def _pairs(folder: Path) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.float32]]]:
    if (folder / "eigen_test_rgb.npy").is_file():
        rgb, depth = (_array(folder / f"eigen_test_{part}.npy") for part in ("rgb", "depth"))
        if rgb.dtype != np.uint8 or rgb.ndim != 4 or depth.ndim != 3 or len(rgb) != len(depth):
            expected = "uint8 (N, H, W, 3) and float (N, H, W)"
            got = f"{rgb.dtype} {rgb.shape} and {depth.dtype} {depth.shape}"
            raise refusal(quoted(folder), expected, got, "convert them")
        for i in range(len(rgb)):
            yield f"image {i}", np.array(rgb[i]), np.array(depth[i], np.float32)
        return
    images = sorted((folder / "images").glob("*"))
    files = [path for path in images if path.suffix.lower() in _IMAGE_SUFFIXES]
    if not files:
        expected = "images/NAME.png|jpg with depth/NAME.png|npy, or eigen_test_rgb.npy"
        raise refusal(quoted(folder), expected, "neither", "check the path")
    for path in files:
        yield quoted(path.name), read_rgb(path), _truth(folder / "depth", path.stem)


def _array(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise refusal(quoted(path), "a .npy array", quoted(error), "write it again") from error
    return array


def _truth(folder: Path, stem: str) -> NDArray[np.float32]:
    if (array := folder / f"{stem}.npy").is_file():
        depth = _array(array)
        if depth.ndim != 2 or depth.dtype.kind != "f":
            got = f"{depth.dtype} {depth.shape}"
            raise refusal(quoted(array), "float (H, W) metres", got, "convert it")
        return np.array(depth, np.float32)
    file = folder / f"{stem}.png"
    data = np.fromfile(file, np.uint8) if file.is_file() else np.empty(0, np.uint8)
    millimetres = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if millimetres is None or millimetres.dtype != np.uint16 or millimetres.ndim != 2:
        expected = "a 16-bit grey PNG in millimetres"
        raise refusal(quoted(file), expected, "none", "put it there")
    return np.divide(millimetres, 1000, dtype=np.float32)
