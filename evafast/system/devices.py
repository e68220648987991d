"""The one parser for ``--device``, used by compositing, depth and training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evafast.errors import UsageError

if TYPE_CHECKING:
    import torch


def resolve_device(device: str | torch.device) -> torch.device:
    """Return a device of this machine; a CUDA device always has its index.

    Parameters
    ----------
    device : str or torch.device
        ``auto`` (``cuda:0`` if torch sees a GPU, or else ``cpu``), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    UsageError
        If it is none of these, or torch does not see that GPU.
    """
    import torch

    if str(device) == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(device)
    except RuntimeError:
        found = torch.device("meta")
    if found.type not in ("cpu", "cuda"):
        raise UsageError(
            f"device: expected auto, cpu, cuda or cuda:N, got {str(device)!r}; choose one of these"
        )
    if found.type == "cuda":
        found = torch.device("cuda", found.index or 0)
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if found.index >= count:
            raise UsageError(
                f"device: expected {found}, got {count} CUDA devices that torch "
                f"{torch.__version__} can see; use --device cpu, or install a CUDA build of torch"
            )
    return found
