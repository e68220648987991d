"""What the CUDA backends ask of the device before they load anything heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evafast.errors import UsageError

if TYPE_CHECKING:
    import torch

_OLDEST = (6, 1)  # the first with the byte dot product that blends; CUDA 13 itself asks for (7, 5)


def pip_line(cuda: int | None = None) -> str:
    """Return the line that installs CuPy and Numba-CUDA for torch's CUDA, or for a given major."""
    import torch

    if cuda is None:
        cuda = int((torch.version.cuda or "13").split(".")[0])
    return f'pip install "evafast[cuda{min(max(cuda, 12), 13)}]"'


def why_no_device() -> str | None:
    """Return why torch cannot use a CUDA device, or None when it can."""
    import torch

    if torch.cuda.is_available():
        return None
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA; install a CUDA build of torch"
    return (
        f"torch {torch.__version__} sees no CUDA device; check nvidia-smi and the driver (CUDA "
        f"{torch.version.cuda} is expected)"
    )


def check_capability(backend: str, device: torch.device) -> None:
    """Refuse a device that is too old for the kernels.

    Raises
    ------
    UsageError
        Naming the device, its compute capability and the one expected.
    """
    import torch

    capability = torch.cuda.get_device_capability(device)
    if capability < _OLDEST:
        raise UsageError(
            f"backend {backend}: expected compute capability {_OLDEST[0]}.{_OLDEST[1]} or newer, got "
            f"{capability[0]}.{capability[1]} ({torch.cuda.get_device_name(device)}); use "
            "--device cpu"
        )
