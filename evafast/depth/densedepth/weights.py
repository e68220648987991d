"""DenseDepth weights by name or from a file; safetensors files carry their config."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from evafast.builtin import weights_path
from evafast.depth.densedepth.fetch import SIZES, fetched, sha256_of
from evafast.depth.densedepth.keras import SIGNATURE, load_keras
from evafast.depth.densedepth.network import BATCH_COUNTER, DenseDepth, DenseDepthConfig
from evafast.depth.models import model_names
from evafast.errors import RunError, quoted, refusal

#: Metadata key of a safetensors file's `DenseDepthConfig`, as JSON.
CONFIG_KEY = "densedepth_config"
#: Metadata key of the metres in one unit of relative depth, as a decimal number.
METRES_KEY = "metres_per_unit"

#: The authors' own networks: depth is relative to 10 m for NYU, to 80 m for KITTI.
METRES_PER_UNIT = {"nyu": 10.0, "kitti": 80.0}


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A network and what is known about its file."""

    model: DenseDepth
    """float32, on the CPU, in eval mode."""
    sha256: str
    """SHA-256 of the file."""
    metres_per_unit: float | None
    """Metres in one unit of relative depth, if known."""


def load_weights(
    model: str | Path,
    *,
    offline: bool = False,
    progress: Callable[..., Any] | None = None,
    inner_activation: bool | None = None,
    align_corners: bool | None = None,
) -> Weights:
    """Load DenseDepth weights: ``compact`` (built in), ``nyu``, ``kitti`` (fetched once) or a file.

    A file is Keras .h5 (whole model or weights only) or .safetensors of `save_safetensors`. If it
    does not record metres per unit, they are 10 for a file named nyu and 80 for one named kitti
    (the authors' own), otherwise unknown. The options are those of `DepthEstimator.load`.
    `UsageError` if the file does not fit, `RunError` if it cannot be fetched.
    """
    if str(model) in SIZES:
        path = fetched(str(model), offline=offline, progress=progress)
    else:
        path = weights_path() if str(model) == "compact" else Path(model)
    if not path.is_file():
        expected = f"{model_names()} or a weights file"
        raise refusal("depth model", expected, quoted(model), "check the name or path")
    metres = METRES_PER_UNIT.get(path.stem)
    flags = {"inner_activation": inner_activation, "align_corners": align_corners}
    with open(path, "rb") as file:
        is_hdf5 = file.read(len(SIGNATURE)) == SIGNATURE
    if is_hdf5 or path.suffix.lower() in (".h5", ".hdf5", ".keras"):
        network = load_keras(path, **flags)
    else:
        network, metadata = load_safetensors(path)
        for flag, value in flags.items():
            if value is not None and value != getattr(network.config, flag):
                what = f"a file that records {not value}"
                raise refusal(f"{quoted(path)}: {flag}", str(value), what, "omit the option")
        if METRES_KEY in metadata:
            metres = _metres(metadata[METRES_KEY], path)
    return Weights(model=network, sha256=sha256_of(path), metres_per_unit=metres)


def _metres(text: str, path: Path) -> float:
    with suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    name = f"{quoted(path)}: {METRES_KEY}"
    raise refusal(name, "a number > 0", quoted(text), "write the file again")


def load_safetensors(path: Path) -> tuple[DenseDepth, dict[str, str]]:
    """Return the network and metadata of a file that `save_safetensors` wrote."""
    name = quoted(path)
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        what = f"an unreadable one ({error})"
        raise refusal(name, "a safetensors file", what, "write it again") from error
    try:
        config = DenseDepthConfig.from_dict(json.loads(metadata[CONFIG_KEY]))
    except (KeyError, TypeError, ValueError) as error:
        expected = f"a DenseDepth config in the metadata key {CONFIG_KEY}"
        remedy = "write the file with evafast.depth.save_safetensors"
        raise refusal(name, expected, error, remedy) from error
    with torch.device("meta"):  # shapes only: the tensors become the parameters
        model = DenseDepth(config)
    return model.assign(tensors, name), metadata


def save_safetensors(
    model: DenseDepth,
    path: str | Path,
    metadata: Mapping[str, str] | None = None,
    *,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a network's weights, its config and more metadata, replacing an existing file.

    float16 halves the file, which still loads as float32. `UsageError` if the folder does not
    exist, `RunError` if the file cannot be written.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise refusal(quoted(path), "an existing folder", "none", "create it")
    tensors = {
        name: value.detach().to("cpu", dtype).contiguous()
        for name, value in model.state_dict().items()
        if not name.endswith(BATCH_COUNTER)
    }
    header = {**(metadata or {}), CONFIG_KEY: json.dumps(model.config.to_dict(), sort_keys=True)}
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(_with_sorted_metadata(save(tensors, header)))
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise RunError(
            f"{quoted(path)}: expected to write it, got {quoted(error)}; free disk space or choose "
            "another folder"
        ) from error


def _with_sorted_metadata(file: bytes) -> bytes:
    """Return a safetensors file with sorted metadata, which safetensors writes in random order."""
    end = 8 + int.from_bytes(file[:8], "little")
    header = json.loads(file[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + file[end:]
