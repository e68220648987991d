"""What the CUDA backends share: why they cannot run, and their base class."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from evafast.compositing.device_bank import PlacementRing, pack_bank
from evafast.errors import RunError, UsageError, quoted

if TYPE_CHECKING:
    import torch

    from evafast.assets.bank import Bank
    from evafast.sampling.recipe import Placements

OLDEST_CAPABILITY = (6, 1)
"""Compute capability; the first with the byte dot product that over.cu blends with."""


class CudaBackend:
    """Base of the CUDA backends; see `evafast.compositing.backends.Backend`.

    It brings the bank to the device and uploads placements. A subclass names its package, probes it
    and launches its kernel.
    """

    device_type = "cuda"
    package: str
    """Name of the package; its module has underscores for hyphens."""

    def __init__(
        self, bank: Bank, device: torch.device, *, binary: bool, parallel: bool = True
    ) -> None:
        import torch

        check_capability(device)
        self.device = device
        self.binary = binary
        self.bank = pack_bank(bank).to(device)
        self.ring = PlacementRing(device)
        self.multiprocessors: int = torch.cuda.get_device_properties(device).multi_processor_count

    @classmethod
    def why_unavailable(cls) -> str | None:
        """Return what is missing; import the package only where torch sees a CUDA device."""
        installed = find_spec(cls.package.replace("-", "_")) is not None
        no_device = why_no_device()
        if no_device is not None:
            return no_device if installed else f"{no_device}, then {pip_line()}"
        if not installed:
            return f"{cls.package} is not installed; {pip_line()}"
        try:
            return cls.probe()
        except Exception as error:  # a broken installation can fail in any way
            return f"{cls.package} does not work here ({one_line(error)}); {pip_line()}"

    @staticmethod
    def probe() -> str | None:
        """Import the package; return or raise why it cannot run, or return None."""
        raise NotImplementedError

    def composite(self, placements: Placements, image: torch.Tensor, mask: torch.Tensor) -> None:
        """Queue one copy and one kernel on torch's current stream."""
        import torch

        with torch.cuda.device(self.device):
            self.launch(self.ring.upload(placements), image, mask)

    def launch(self, rows: torch.Tensor, image: torch.Tensor, mask: torch.Tensor) -> None:
        """Queue the kernel alone; the backend's device must be the current one.

        Parameters
        ----------
        rows : torch.Tensor of int32, shape (n, 4)
            Placements on the device, as `PlacementRing.upload` returns them.
        image, mask : torch.Tensor of uint8
            As for `composite`.
        """
        raise NotImplementedError

    def kernel_error(self, error: Exception) -> RunError:
        """Return the error for a kernel that does not compile or launch."""
        return RunError(
            f"{self.package}: expected a kernel for {self.device}, got {one_line(error)}; update "
            f"the driver or {self.package}, or choose another backend"
        )


def check_capability(device: torch.device) -> None:
    """Raise `UsageError` if the device is too old for the kernels."""
    import torch

    capability = torch.cuda.get_device_capability(device)
    if capability < OLDEST_CAPABILITY:
        oldest, got = (f"{major}.{minor}" for major, minor in (OLDEST_CAPABILITY, capability))
        raise UsageError(
            f"device: expected compute capability {oldest} or newer, got {got} "
            f"({torch.cuda.get_device_name(device)}); use --device cpu"
        )


def why_no_device() -> str | None:
    """Return why torch cannot use a CUDA device, or None if it can."""
    import torch

    if torch.cuda.is_available():
        return None
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA; install a CUDA build of torch"
    return (
        f"torch {torch.__version__} sees no CUDA device; check nvidia-smi and the driver (CUDA "
        f"{torch.version.cuda} is expected)"
    )


def pip_line(cuda: int | None = None) -> str:
    """Return the command that installs CuPy and Numba-CUDA.

    Parameters
    ----------
    cuda : int, optional
        Major version of CUDA; defaults to that of torch.
    """
    import torch

    if cuda is None:
        cuda = int((torch.version.cuda or "13").split(".")[0])
    return f'pip install "evafast[cuda{min(max(cuda, 12), 13)}]"'


def one_line(error: Exception) -> str:
    """Return the type and text of an error in one line, cut at 200 characters of text."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__} {quoted(text[:200])}"
