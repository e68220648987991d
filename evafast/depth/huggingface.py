"""Hugging Face depth-estimation models.

Images are normalised here, on their device and in one batch, as the model's
preprocessor_config.json says; no image processor runs. Only safetensors weights are loaded, and no
code from the model's repository runs.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any, cast, get_args

import torch
from torch import Tensor

from evafast.depth.models import Kind, LoadOptions, fitted_size
from evafast.errors import RunError, UsageError, quoted, refusal

#: Kind of predicted_depth by the config's model_type; depth_anything records it itself.
_KINDS: dict[str, Kind] = {"dpt": "inverse", "glpn": "metric", "zoedepth": "metric"}


class HuggingFaceNetwork:
    """An ``AutoModelForDepthEstimation``; implements `evafast.depth.models.Network`.

    The model is an ID or folder, followed by ``@relative``, ``@inverse`` or ``@metric`` if its
    config does not say what it predicts.
    """

    def __init__(self, model: str, options: LoadOptions) -> None:
        label = quoted(f"hf:{model}")
        if options.inner_activation is not None or options.align_corners is not None:
            raise refusal(label, "no DenseDepth variant", "one", "omit the option")
        try:
            from transformers import AutoConfig, AutoModelForDepthEstimation
            from transformers.image_processing_base import ImageProcessingMixin
        except ImportError as error:
            remedy = "pip install 'evafast[hf]'"
            raise refusal(label, "transformers", "none installed", remedy) from error
        name, at, stated = model.rpartition("@")
        if not at or Path(model).is_dir():
            name, stated = model, ""
        local = {"local_files_only": options.offline}
        try:
            config = AutoConfig.from_pretrained(name, **local)
            self.kind = _kind(config, stated, label)
            processor, _ = ImageProcessingMixin.get_image_processor_dict(name, **local)
            network = AutoModelForDepthEstimation.from_pretrained(
                name, config=config, dtype=torch.float32, use_safetensors=True, **local
            )
        except UsageError:
            raise
        except (OSError, ValueError, KeyError) as error:
            expected = "a depth-estimation model with safetensors weights"
            got = quoted(" ".join(str(error).split())[:300])
            remedy = "check the ID, or fetch it once without --offline"
            raise refusal(label, expected, got, remedy) from error
        self.metres_per_unit = 1.0 if self.kind == "metric" else None
        preprocessing = self._set_preprocessing(config, processor, label, options.device)
        self._identity = {"sha256": _sha256(network.state_dict()), "config": preprocessing}
        self._dtype = options.dtype
        network = network.to(options.device, self._dtype, memory_format=torch.channels_last).eval()
        self._network = torch.compile(network, dynamic=False) if options.compile else network

    def _set_preprocessing(
        self, config: Any, processor: dict[str, Any], label: str, device: torch.device
    ) -> dict[str, Any]:
        normal = processor if processor.get("do_normalize", "image_mean" in processor) else {}
        means = torch.tensor(normal.get("image_mean", [0.0] * 3)).float()
        stds = torch.tensor(normal.get("image_std", [1.0] * 3)).float()
        if means.shape != (3,) or stds.shape != (3,) or not bool((stds > 0).all()):
            expected = "image_mean and image_std of 3 channels"
            raise refusal(label, expected, "others", "use a model for RGB")
        # Once, because a copy in every batch would synchronise with the device.
        self._mean = means.to(device)[:, None, None]
        self._std = stds.to(device)[:, None, None]
        rescale = processor.get("do_rescale", True)
        self._rescale = float(processor.get("rescale_factor", 1 / 255)) if rescale else 1.0
        backbone = getattr(config, "backbone_config", None)
        patch = getattr(config, "patch_size", None) or getattr(backbone, "patch_size", None) or 1
        multiple = processor.get("ensure_multiple_of") or processor.get("size_divisor") or 1
        common = math.lcm(int(patch), int(multiple))
        self._multiple = common if common > 1 else 32
        figures = {"rescale": self._rescale, "multiple": self._multiple}
        return {"mean": means.tolist(), "std": stds.tolist(), **figures}

    def identity(self) -> dict[str, Any]:
        """Return the SHA-256 of all tensors by name, and the preprocessing."""
        return self._identity

    def size_for(self, height: int, width: int, input_size: int) -> tuple[int, int]:
        """Return sides that suit the model's patches, the shorter one about ``input_size``."""
        return fitted_size(height, width, input_size, self._multiple)

    def run(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return predicted_depth, float32 (N, h, w), and whether it is finite."""
        x = ((images.float() * self._rescale - self._mean) / self._std).to(self._dtype)
        depth: Tensor = self._network(pixel_values=x).predicted_depth.float()
        if depth.ndim == 4:
            depth = depth[:, 0]
        if depth.ndim != 3 or len(depth) != len(images):
            raise RunError(
                f"predicted_depth: expected (N, H, W) of {len(images)} images, got "
                f"{tuple(depth.shape)}; use another model"
            )
        return depth, torch.isfinite(depth).flatten(1).all(1)


def _kind(config: Any, stated: str, label: str) -> Kind:
    if stated:
        if stated not in get_args(Kind):
            expected = "@relative, @inverse or @metric"
            raise refusal(label, expected, quoted("@" + stated), "use one of these")
        return cast(Kind, stated)
    if config.model_type == "depth_anything":
        return "metric" if config.depth_estimation_type == "metric" else "inverse"
    if config.model_type in _KINDS:
        return _KINDS[config.model_type]
    expected = f"a model of known kind ({', '.join(sorted(_KINDS))}, depth_anything)"
    remedy = "append @relative, @inverse or @metric to the ID"
    raise refusal(label, expected, quoted(config.model_type), remedy)


def _sha256(state: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for key in sorted(state):
        value = state[key].detach().cpu().contiguous()
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(cast(Any, value.reshape(-1).view(torch.uint8).numpy()).data)
    return digest.hexdigest()
