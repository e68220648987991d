"""Hugging Face depth-estimation models behind the estimator's interface.

The images are normalised here, on their device and in one batch, as the model's
preprocessor_config.json says; no image processor runs. Only safetensors weights load, and no code
of the model's repository runs.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from evafast.depth.geometry import fitted_size
from evafast.errors import RunError, UsageError, quoted

#: What predicted_depth is, by the config's model_type (depth_anything says it itself).
_KINDS = {"dpt": "inverse", "glpn": "metric", "zoedepth": "metric"}


class HuggingFaceNetwork:
    """One ``AutoModelForDepthEstimation``.

    Parameters
    ----------
    model : str
        A model's ID or folder, with ``@relative``, ``@inverse`` or ``@metric`` behind it to say
        what it predicts where its config does not tell.
    device, dtype
        Where and in what the network runs.
    compile, offline : bool
        See `DepthEstimator.load`.

    Raises
    ------
    UsageError
        If transformers is not installed, the model is not there or its kind is not known.
    """

    def __init__(
        self,
        model: str,
        *,
        device: torch.device,
        dtype: torch.dtype,
        compile: bool,
        offline: bool,
    ) -> None:
        label = quoted(f"hf:{model}")
        try:
            from transformers import AutoConfig, AutoModelForDepthEstimation
            from transformers.image_processing_base import ImageProcessingMixin
        except ImportError as error:
            raise UsageError(
                f"{label}: expected transformers, got none installed; pip install 'evafast[hf]'"
            ) from error
        name, at, stated = model.rpartition("@")
        if not at or Path(model).is_dir():
            name, stated = model, ""
        try:
            config = AutoConfig.from_pretrained(name, local_files_only=offline)
            self.kind = _kind(config, stated, label)
            processor, _ = ImageProcessingMixin.get_image_processor_dict(
                name, local_files_only=offline
            )
            network = AutoModelForDepthEstimation.from_pretrained(
                name,
                config=config,
                dtype=torch.float32,
                local_files_only=offline,
                use_safetensors=True,
            )
        except UsageError:
            raise
        except (OSError, ValueError, KeyError) as error:
            text = " ".join(str(error).split())
            raise UsageError(
                f"{label}: expected a depth-estimation model with safetensors weights, "
                f"got {quoted(text[:300])}; check the ID, or fetch it once with the network on"
            ) from error
        self.metres_per_unit = 1.0 if self.kind == "metric" else None
        self._sha256 = _sha256(network.state_dict())
        self._set_preprocessing(config, processor, label, device)
        network = network.to(device, dtype, memory_format=torch.channels_last).eval()
        self._network = torch.compile(network, dynamic=False) if compile else network
        self._dtype = dtype

    def _set_preprocessing(
        self, config: Any, processor: dict[str, Any], label: str, device: torch.device
    ) -> None:
        one = [1.0, 1.0, 1.0]
        normalise = processor.get("do_normalize", "image_mean" in processor)
        mean = processor.get("image_mean", [0.0] * 3) if normalise else [0.0] * 3
        std = processor.get("image_std", one) if normalise else one
        rescale = (
            processor.get("rescale_factor", 1 / 255) if processor.get("do_rescale", True) else 1.0
        )
        means, stds = torch.tensor(mean).float(), torch.tensor(std).float()
        if means.shape != (3,) or stds.shape != (3,) or not bool((stds > 0).all()):
            raise UsageError(f"{label}: expected image_mean and image_std of 3 channels, got others")
        # On the device once: a copy in every batch would wait for it.
        self._mean = means.to(device)[:, None, None]
        self._std = stds.to(device)[:, None, None]
        self._rescale = float(rescale)
        backbone = getattr(config, "backbone_config", None)
        patch = getattr(config, "patch_size", None) or getattr(backbone, "patch_size", None) or 1
        multiple = processor.get("ensure_multiple_of") or processor.get("size_divisor") or 1
        self._multiple = math.lcm(int(patch), int(multiple))
        if self._multiple == 1:
            self._multiple = 32

    def identity(self) -> dict[str, Any]:
        """Return the SHA-256 over all tensors by name, and the preprocessing."""
        return {
            "sha256": self._sha256,
            "config": {
                "mean": self._mean.flatten().tolist(),
                "std": self._std.flatten().tolist(),
                "rescale": self._rescale,
                "multiple": self._multiple,
            },
        }

    def size_for(self, height: int, width: int, input_size: int) -> tuple[int, int]:
        """Return sides that suit the model's patches, the shorter one about ``input_size``."""
        return fitted_size(height, width, input_size, self._multiple)

    def run(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return predicted_depth float32 (n, h', w') and whether it is finite."""
        x = ((images.float() * self._rescale - self._mean) / self._std).to(self._dtype)
        depth = self._network(pixel_values=x).predicted_depth.float()
        if depth.ndim == 4:
            depth = depth[:, 0]
        if depth.ndim != 3 or len(depth) != len(images):
            raise RunError(
                f"predicted_depth: expected (N, H, W) of {len(images)} images, got "
                f"{tuple(depth.shape)}"
            )
        return depth, torch.isfinite(depth).flatten(1).all(1)


def _kind(config: Any, stated: str, label: str) -> Any:
    if stated:
        if stated not in ("relative", "inverse", "metric"):
            raise UsageError(
                f"{label}: expected @relative, @inverse or @metric, got {quoted('@' + stated)}"
            )
        return stated
    if config.model_type == "depth_anything":
        return "metric" if config.depth_estimation_type == "metric" else "inverse"
    if config.model_type in _KINDS:
        return _KINDS[config.model_type]
    raise UsageError(
        f"{label}: expected a model whose depth is known ({', '.join(sorted(_KINDS))}, "
        f"depth_anything), got {quoted(config.model_type)}; say @relative, @inverse or @metric "
        "behind the ID"
    )


def _sha256(state: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for key in sorted(state):
        value = state[key].detach().cpu().contiguous()
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(cast(Any, value.reshape(-1).view(torch.uint8).numpy()).data)
    return digest.hexdigest()
