"""The NYU protocol (mean with the mirrored image, Eigen crop) over a folder with true depth.

A folder has either ``images/NAME.png|jpg`` beside ``depth/NAME.png`` (uint16 millimetres, 0 = no
measurement) or ``depth/NAME.npy`` (float metres), or the arrays of the authors' test archive:
``eigen_test_rgb.npy`` (N, 480, 640, 3) uint8 and ``eigen_test_depth.npy`` (N, 480, 640) float
metres.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evafast.depth.estimator import DepthEstimator, check_finite
from evafast.depth.images import read_rgb
from evafast.depth.metrics import DepthErrors
from evafast.errors import UsageError, quoted

#: Rows and columns of a 480 x 640 NYU image that count (Eigen et al. 2014).
EIGEN_CROP = (slice(45, 471), slice(41, 601))

_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def predict_metres(estimator: DepthEstimator, images: Tensor, *, mirrored: bool = True) -> Tensor:
    """Return depth in metres, float32 (N, H, W), of uint8 images (N, H, W, 3).

    ``mirrored`` averages with the prediction for the mirrored image.
    """
    metres = estimator.metres_per_unit
    if metres is None:
        raise UsageError(
            "evaluate: expected a model whose depth is in metres, got one without a known scale; "
            "give --metres-per-unit"
        )
    maps = [estimator(view) for view in ([images, images.flip(2)] if mirrored else [images])]
    for view in maps:
        check_finite(view.finite.cpu(), [f"image {i}" for i in range(len(images))])
    depth = (maps[0].depth + maps[1].depth.flip(2)) / 2 if mirrored else maps[0].depth
    return depth * metres


def evaluate(
    estimator: DepthEstimator, folder: Path, *, crop: bool = True, mirrored: bool = True
) -> DepthErrors:
    """Compare the estimator with the true depth of a folder (see the module).

    ``crop`` counts the Eigen crop only, for which images must be 480 x 640; ``mirrored`` averages
    with the prediction for the mirrored image. `UsageError` if the folder has no pairs, or they do
    not fit each other; `RunError` if a depth is not finite.
    """
    errors = DepthErrors()
    region = EIGEN_CROP if crop else (slice(None), slice(None))
    for name, rgb, truth in _pairs(folder):
        if rgb.shape[:2] != truth.shape:
            raise UsageError(
                f"{name}: expected true depth of the image's size {rgb.shape[:2]}, got "
                f"{truth.shape}; resize it"
            )
        if crop and truth.shape != (480, 640):
            raise UsageError(
                f"{name}: expected 480 x 640 for the Eigen crop, got {truth.shape[0]} x "
                f"{truth.shape[1]}; use --crop none"
            )
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
            raise UsageError(
                f"{quoted(folder)}: expected uint8 (N, H, W, 3) and float (N, H, W), got "
                f"{rgb.dtype} {rgb.shape} and {depth.dtype} {depth.shape}; convert them"
            )
        for i in range(len(rgb)):
            yield f"image {i}", np.array(rgb[i]), np.array(depth[i], np.float32)
        return
    images = sorted((folder / "images").glob("*"))
    files = [path for path in images if path.suffix.lower() in _IMAGE_SUFFIXES]
    if not files:
        raise UsageError(
            f"{quoted(folder)}: expected images/NAME.png|jpg with depth/NAME.png|npy, or "
            "eigen_test_rgb.npy, got neither; check the path"
        )
    for path in files:
        yield quoted(path.name), read_rgb(path), _truth(folder / "depth", path.stem)


def _array(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{quoted(path)}: expected a .npy array, got {quoted(error)}; write it again"
        ) from error
    return array


def _truth(folder: Path, stem: str) -> NDArray[np.float32]:
    if (array := folder / f"{stem}.npy").is_file():
        depth = _array(array)
        if depth.ndim != 2 or depth.dtype.kind != "f":
            raise UsageError(
                f"{quoted(array)}: expected float (H, W) metres, got {depth.dtype} {depth.shape}; "
                "convert it"
            )
        return np.array(depth, np.float32)
    file = folder / f"{stem}.png"
    data = np.fromfile(file, np.uint8) if file.is_file() else np.empty(0, np.uint8)
    millimetres = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if millimetres is None or millimetres.dtype != np.uint16 or millimetres.ndim != 2:
        raise UsageError(
            f"{quoted(file)}: expected a 16-bit grey PNG in millimetres, got none; put it there"
        )
    return np.divide(millimetres, 1000, dtype=np.float32)
