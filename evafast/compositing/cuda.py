# mypy: allow-untyped-calls
"""The CUDA backends' base class, and the bank in the layout their kernels read."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evafast.errors import RunError, UsageError, quoted

if TYPE_CHECKING:
    import torch

    from evafast.assets.bank import Bank
    from evafast.sampling.recipe import Placements

UNIT = 16  # pixels per lane; backgrounds are padded at their end to a multiple
PADDING = 32  # pixels before the first and after the last foreground, which wide loads may reach
LARGEST_CANVAS = 1 << 15  # side; the kernels count a canvas's pixels in 31 bits
OLDEST_CAPABILITY = (6, 1)  # the first with the byte dot product that over.cu uses


class PackedBank(NamedTuple):
    """A bank's pixels in whole 16-byte chunks: arrays on the host or tensors on a device.

    A row of the table (int32) is a foreground's first pixel after the padding (as int64), width and
    height.
    """

    backgrounds: Any
    foregrounds: Any
    table: Any


def pack_bank(bank: Bank) -> PackedBank:
    """Pack a bank for the kernels, on the host."""
    if bank.canvas > LARGEST_CANVAS:
        raise UsageError(
            f"canvas: expected at most {LARGEST_CANVAS} px on a CUDA device, got {bank.canvas}; "
            "use a smaller canvas or --device cpu"
        )
    count, area = bank.background_count, bank.canvas**2
    backgrounds = np.zeros((count, -(-area // UNIT) * UNIT * 3), np.uint8)
    backgrounds[:, : 3 * area] = bank.backgrounds.reshape(count, 3 * area)
    foregrounds = np.pad(bank.foreground_rgba, ((PADDING, PADDING), (0, 0)))
    table = np.empty((bank.foreground_count, 4), np.int32)
    table[:, :2] = bank.foreground_offsets.view(np.int32).reshape(-1, 2)
    table[:, 2:] = bank.foreground_sizes[:, ::-1]
    return PackedBank(backgrounds, foregrounds, table)


def fill_rows(placements: Placements, rows: NDArray[np.int32]) -> None:
    """Write ``background, foreground, left, top`` to rows of shape (n, 4)."""
    for column, name in enumerate(("background", "foreground", "left", "top")):
        rows[:, column] = getattr(placements, name)


class CudaBackend:
    """Copies the bank to the device and uploads placements.

    Subclasses name their package, probe it and launch their kernel.
    """

    device_type = "cuda"
    package: str  # the module's name has underscores instead of hyphens

    def __init__(
        self, bank: Bank, device: torch.device, *, binary: bool, parallel: bool = True
    ) -> None:
        import torch

        capability = torch.cuda.get_device_capability(device)
        if capability < OLDEST_CAPABILITY:
            oldest, got = (f"{major}.{minor}" for major, minor in (OLDEST_CAPABILITY, capability))
            raise UsageError(
                f"device: expected compute capability {oldest} or newer, got {got} "
                f"({torch.cuda.get_device_name(device)}); use --device cpu"
            )
        self.device, self.binary = device, binary
        # `to` waits for the copy, so any stream may read it.
        self.bank = PackedBank(*(torch.from_numpy(a).to(device) for a in pack_bank(bank)))
        self.multiprocessors: int = torch.cuda.get_device_properties(device).multi_processor_count

    @classmethod
    def why_unavailable(cls) -> str | None:
        """Return what is missing; import the package only if torch sees a CUDA device."""
        import torch

        installed = find_spec(cls.package.replace("-", "_")) is not None
        if not torch.cuda.is_available():
            why = f"torch {torch.__version__} is built without CUDA; install a CUDA build of torch"
            if torch.version.cuda is not None:
                why = (
                    f"torch {torch.__version__} sees no CUDA device; check nvidia-smi and the "
                    f"driver (CUDA {torch.version.cuda} is expected)"
                )
            return why if installed else f"{why}, then {pip_line()}"
        if not installed:
            return f"{cls.package} is not installed; {pip_line()}"
        try:
            return cls.probe()
        except Exception as error:  # a broken installation can fail in any way
            return f"{cls.package} does not work here ({one_line(error)}); {pip_line()}"

    @staticmethod
    def probe() -> str | None:
        """Import the package; return None if it can run, otherwise return or raise the reason."""
        raise NotImplementedError

    def composite(self, placements: Placements, image: torch.Tensor, mask: torch.Tensor) -> None:
        """Queue one copy and one kernel on torch's current stream."""
        import torch

        with torch.cuda.device(self.device):
            self.launch(self.upload(placements), image, mask)

    def upload(self, placements: Placements) -> torch.Tensor:
        """Queue a copy of the placements and return it: int32 of shape (n, 4), as `fill_rows`."""
        import torch

        # A copy from pageable memory would block the host until the device gets to it. Torch caches
        # pinned memory and reuses it only once the copies queued from it are done.
        rows = torch.empty((len(placements), 4), dtype=torch.int32, pin_memory=True)
        fill_rows(placements, rows.numpy())
        return rows.to(self.device, non_blocking=True)

    def launch(self, rows: torch.Tensor, image: torch.Tensor, mask: torch.Tensor) -> None:
        """Queue the kernel alone, for uploaded rows; the backend's device is the current one."""
        raise NotImplementedError

    def kernel_error(self, error: Exception) -> RunError:
        """Return the error for a kernel that does not compile or launch."""
        return RunError(
            f"{self.package}: expected a kernel for {self.device}, got {one_line(error)}; update "
            f"the driver or {self.package}, or choose another backend"
        )


def pip_line(cuda: int | None = None) -> str:
    """Return the command that installs CuPy and Numba-CUDA; `cuda` defaults to torch's version."""
    import torch

    if cuda is None:
        cuda = int((torch.version.cuda or "13").split(".")[0])
    return f'pip install "evafast[cuda{min(max(cuda, 12), 13)}]"'


def one_line(error: Exception) -> str:
    """Return the type and text of an error in one line, cut at 200 characters of text."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__} {quoted(text[:200])}"
