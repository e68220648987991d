"""DenseDepth weights on disk: safetensors with the config beside the tensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from evafast.depth.densedepth import DenseDepth, DenseDepthConfig
from evafast.errors import UsageError, quoted

#: Metadata key under which a safetensors file carries its `DenseDepthConfig` as JSON.
CONFIG_KEY = "densedepth_config"


def save_safetensors(
    model: DenseDepth,
    path: str | Path,
    metadata: Mapping[str, str] | None = None,
    *,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write the network's weights and config.

    Parameters
    ----------
    model : DenseDepth
    path : str or Path
        The file to write; an existing one is replaced.
    metadata : mapping of str to str, optional
        More to keep in the file's header, such as its training record.
    dtype : torch.dtype
        float16 halves the file; it loads as float32 all the same.
    """
    tensors = {
        name: value.detach().to("cpu", dtype).contiguous()
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    header = {**(metadata or {}), CONFIG_KEY: json.dumps(model.config.to_dict(), sort_keys=True)}
    save_file(tensors, str(path), metadata=header)


def load_safetensors(path: str | Path) -> DenseDepth:
    """Return the network of a file that `save_safetensors` wrote, float32, in eval mode.

    Raises
    ------
    UsageError
        If the file is not safetensors, carries no config, or its tensors do not fit the config.
    """
    name = quoted(path)
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise UsageError(
            f"{name}: wanted a safetensors file, got an unreadable one ({error}); write it again"
        ) from error
    try:
        config = DenseDepthConfig.from_dict(json.loads(metadata[CONFIG_KEY]))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{name}: wanted a DenseDepth config in the metadata key {CONFIG_KEY}, got {error}; "
            "write the file with evafast.depth.save_safetensors"
        ) from error
    model = DenseDepth(config)
    load_state(model, tensors, name)
    return model.eval()


def load_state(model: DenseDepth, tensors: Mapping[str, torch.Tensor], name: str) -> None:
    """Copy ``tensors`` into the model; ``name`` is the (quoted) file that messages name.

    Raises
    ------
    UsageError
        If a tensor is missing, left over or wrongly shaped.
    """
    wanted = {
        key: v for key, v in model.state_dict().items() if not key.endswith("num_batches_tracked")
    }
    for key in wanted:
        if key not in tensors:
            raise UsageError(
                f"{name}: wanted tensor {key}, got none of that name; fetch or write the file again"
            )
        if tensors[key].shape != wanted[key].shape:
            raise UsageError(
                f"{name}: tensor {key}: wanted shape {tuple(wanted[key].shape)}, "
                f"got {tuple(tensors[key].shape)}; the file is of another network"
            )
    left = sorted(set(tensors) - set(wanted))
    if left:
        raise UsageError(
            f"{name}: wanted the network's tensors only, got {quoted(left[0])} left over; "
            "the file is of another network"
        )
    model.load_state_dict(dict(tensors), strict=False)
