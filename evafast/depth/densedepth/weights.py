"""DenseDepth weights on disk: safetensors with the config beside the tensors."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from evafast.depth.densedepth.fetch import SOURCES, Progress, fetched, sha256_of
from evafast.depth.densedepth.keras import load_keras
from evafast.depth.densedepth.keras_h5 import SIGNATURE
from evafast.depth.densedepth.network import DenseDepth, DenseDepthConfig
from evafast.depth.densedepth.state import COUNTER, load_state
from evafast.errors import RunError, UsageError, quoted

#: Metadata key under which a safetensors file carries its `DenseDepthConfig` as JSON.
CONFIG_KEY = "densedepth_config"
#: Metadata key of the metres in one unit of relative depth, as a decimal number.
METRES_KEY = "metres_per_unit"

#: The authors' own networks: NYU's depth is a part of 10 m, KITTI's of 80 m.
METRES_PER_UNIT = {"nyu": 10.0, "kitti": 80.0}


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

    Raises
    ------
    UsageError
        If the folder is not there.
    RunError
        If the file cannot be written.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise UsageError(f"{quoted(path)}: expected an existing folder, got none; create it")
    tensors = {
        name: value.detach().to("cpu", dtype).contiguous()
        for name, value in model.state_dict().items()
        if not name.endswith(COUNTER)
    }
    header = {**(metadata or {}), CONFIG_KEY: json.dumps(model.config.to_dict(), sort_keys=True)}
    part = path.with_name(path.name + ".part")
    try:
        save_file(tensors, str(part), metadata=header)
        part.replace(path)
    except (SafetensorError, OSError) as error:
        part.unlink(missing_ok=True)
        raise RunError(
            f"{quoted(path)}: expected to write it, got {quoted(error)}; free the disk or choose "
            "another folder"
        ) from error


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
            f"{name}: expected a safetensors file, got an unreadable one ({error}); write it again"
        ) from error
    try:
        config = DenseDepthConfig.from_dict(json.loads(metadata[CONFIG_KEY]))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{name}: expected a DenseDepth config in the metadata key {CONFIG_KEY}, got {error}; "
            "write the file with evafast.depth.save_safetensors"
        ) from error
    with torch.device("meta"):  # shapes only: the tensors below become the parameters
        model = DenseDepth(config)
    load_state(model, tensors, name)
    return model.eval()


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A network with what is known about its file.

    Parameters
    ----------
    model : DenseDepth
        float32, on the CPU, in eval mode.
    sha256 : str
        Of the file.
    metres_per_unit : float or None
        Metres in one unit of relative depth, where it is known.
    """

    model: DenseDepth
    sha256: str
    metres_per_unit: float | None


def load_weights(
    model: str | Path,
    *,
    offline: bool = False,
    progress: Progress | None = None,
    inner_activation: bool | None = None,
    align_corners: bool | None = None,
) -> Weights:
    """Load DenseDepth weights by name or from a file.

    Parameters
    ----------
    model : str or Path
        ``compact`` (built in), ``nyu`` or ``kitti`` (fetched into the cache once), or a file: Keras
        .h5 (whole model or weights only) or .safetensors of `save_safetensors`.
    offline : bool
        Never use the network.
    progress : callable, optional
        Told of a fetch's bytes.
    inner_activation, align_corners : bool, optional
        For Keras files that do not record them (see `load_keras`).

    Returns
    -------
    Weights
        ``metres_per_unit`` comes from the safetensors metadata, else from the name: 10 for a file
        named nyu, 80 for one named kitti (the authors' own), else it is unknown.

    Raises
    ------
    UsageError
        If there is no such file or it does not fit.
    RunError
        If weights cannot be fetched.
    """
    if str(model) in SOURCES:
        path = fetched(str(model), offline=offline, progress=progress)
    elif str(model) == "compact":
        path = compact_file()
    else:
        path = Path(model)
        if not path.is_file():
            raise UsageError(
                f"depth model: expected compact, nyu, kitti, hf:ID or a weights file, got "
                f"{quoted(model)}; "
                "check the name or path"
            )
    metres = METRES_PER_UNIT.get(path.stem)
    flags = {"inner_activation": inner_activation, "align_corners": align_corners}
    with open(path, "rb") as file:
        is_hdf5 = file.read(len(SIGNATURE)) == SIGNATURE
    if is_hdf5 or path.suffix.lower() in (".h5", ".hdf5", ".keras"):
        network = load_keras(path, **flags)
    else:
        network = load_safetensors(path)
        for flag, value in flags.items():
            if value is not None and value != getattr(network.config, flag):
                raise UsageError(
                    f"{quoted(path)}: {flag}: expected {value}, got a file that records {not value}; "
                    "leave the option out"
                )
        metres = _recorded_metres(path, metres)
    return Weights(model=network, sha256=sha256_of(path), metres_per_unit=metres)


def compact_file() -> Path:
    """Return the built-in compact weights.

    Raises
    ------
    UsageError
        If this installation has none.
    """
    path = Path(str(resources.files("evafast.builtin") / "data" / "compact.safetensors"))
    if not path.is_file():
        raise UsageError(
            "depth model compact: expected the built-in weights, got an installation without them; "
            "reinstall evafast, or use nyu or --depth none"
        )
    return path


def _recorded_metres(path: Path, otherwise: float | None) -> float | None:
    with safe_open(str(path), framework="pt") as file:
        text = (file.metadata() or {}).get(METRES_KEY)
    if text is None:
        return otherwise
    try:
        metres = float(text)
    except ValueError:
        metres = math.nan
    if not 0 < metres < math.inf:
        raise UsageError(f"{quoted(path)}: {METRES_KEY}: expected a number > 0, got {quoted(text)}")
    return metres
