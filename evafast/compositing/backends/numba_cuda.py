"""The second CUDA backend: a kernel in Python, for machines without CuPy.

Simpler than over.cu and for that slower; numba_cuda_kernel.py has the kernel.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from evafast.compositing.cuda_device import check_capability, pip_line, why_no_device
from evafast.compositing.device_bank import pack_bank
from evafast.compositing.output import write_network_input
from evafast.compositing.placement_ring import PlacementRing
from evafast.errors import RunError, quoted

if TYPE_CHECKING:
    import torch

    from evafast.assets.bank import Bank
    from evafast.sampling.recipe import Placements

THREADS = 256
_BLOCKS_PER_MULTIPROCESSOR = 8
_FEWEST_BLOCKS = 128  # Numba warns of smaller grids; blocks without work end at once
_INTEGER = {2: "int16", 4: "int32"}  # a floating dtype's bits, by its size


class KernelBank:
    """A bank as `make_kernel`'s kernels take it, on any device."""

    def __init__(
        self,
        bank: Bank,
        device: torch.device,
        *,
        binary: bool,
        layout: str,
        network_input: torch.dtype | None,
    ) -> None:
        import torch

        packed = pack_bank(bank, planar=layout == "nchw")
        backgrounds, cutouts, table = packed.on(device)
        self._planar = layout == "nchw"
        self._size = 0 if network_input is None else network_input.itemsize
        self._backgrounds = backgrounds
        self._cutouts = cutouts.view(torch.int32)
        self._table = table.view(torch.int32).reshape(-1, 4)
        self._tail = (bank.canvas, packed.backgrounds.shape[1] // 3, binary)
        self._numbers = torch.zeros(1, dtype=torch.int64, device=device)
        if network_input is not None:
            every = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 256, 1).expand(1, 1, 256, 3)
            out = torch.empty((1, 3, 1, 256), dtype=network_input)
            write_network_input(every, "nhwc", out)
            bits = out[0, 0, 0].contiguous().view(getattr(torch, _INTEGER[self._size]))
            self._numbers = bits.to(torch.int64).to(device)

    def call(
        self,
        rows: torch.Tensor,
        image: torch.Tensor,
        mask: torch.Tensor,
        network_input: torch.Tensor | None,
    ) -> tuple[Any, int, tuple[Any, ...]]:
        """Return the kernel, the words of one image, and the arguments, tensors among them."""
        import torch

        outputs = [t for t in (image, mask, network_input) if t is not None]
        area = mask.shape[-1] * mask.shape[-2]
        wide = area % 8 == 0 and not any(t.data_ptr() % 8 for t in outputs)
        word = torch.int64 if wide else torch.uint8
        network = self._numbers
        if network_input is not None:
            packed = wide and not self._planar
            unit = torch.int64 if packed else getattr(torch, _INTEGER[self._size])
            network = network_input.permute(0, 2, 3, 1).reshape(-1).view(unit)
        from evafast.compositing.backends.numba_cuda_kernel import make_kernel

        kernel = make_kernel(wide=wide, planar=self._planar, numbers_size=self._size)
        arguments = (
            self._backgrounds.view(word),
            self._cutouts,
            self._table,
            rows,
            image.reshape(-1).view(word),
            mask.reshape(-1).view(word),
            network,
            self._numbers,
            *self._tail,
        )
        return kernel, 3 * area // (8 if wide else 1), arguments


class Backend:
    """Numba on a CUDA device; see `evafast.compositing.backends.CudaBackend`."""

    device_type = "cuda"

    def __init__(
        self,
        bank: Bank,
        device: torch.device,
        *,
        binary: bool,
        layout: str = "nhwc",
        network_input: torch.dtype | None = None,
    ) -> None:
        import torch

        check_capability("numba-cuda", device)
        self._device = device
        self._ring = PlacementRing(device)
        self._bank = KernelBank(
            bank, device, binary=binary, layout=layout, network_input=network_input
        )
        properties = torch.cuda.get_device_properties(device)
        self._blocks = _BLOCKS_PER_MULTIPROCESSOR * properties.multi_processor_count

    @staticmethod
    def why_unavailable() -> str | None:
        """Say what is missing; Numba's CUDA target is imported only where there is a device."""
        installed = find_spec("numba_cuda") is not None
        missing = why_no_device()
        if missing is not None:
            return missing if installed else f"{missing}, then {pip_line()}"
        return _why_numba_fails() if installed else f"numba-cuda is not installed; {pip_line()}"

    def composite(
        self,
        placements: Placements,
        image: torch.Tensor,
        mask: torch.Tensor,
        network_input: torch.Tensor | None = None,
    ) -> None:
        """Queue one copy and one kernel on torch's current stream."""
        import torch
        from numba import cuda

        count = len(placements)
        with torch.cuda.device(self._device), cuda.gpus[self._device.index]:
            stream = torch.cuda.current_stream(self._device)
            rows = self._ring.upload(placements)
            kernel, words, arguments = self._bank.call(rows, image, mask, network_input)
            slices = min(-(-words // THREADS), -(-self._blocks // count))
            slices = max(slices, -(-_FEWEST_BLOCKS // count))
            grid = (slices, min(count, 65535))
            views = [
                cuda.as_cuda_array(a, sync=False) if isinstance(a, torch.Tensor) else a
                for a in arguments
            ]
            try:
                kernel[grid, THREADS, cuda.external_stream(stream.cuda_stream)](*views)
            except Exception as error:  # compilation and launch fail with Numba's own classes
                raise RunError(
                    f"numba-cuda: expected a kernel on {self._device}, got {_one_line(error)}; "
                    "update the driver or numba-cuda, or choose another backend"
                ) from error


@cache
def _why_numba_fails() -> str | None:
    try:
        from numba import cuda

        if not cuda.is_available():
            return f"numba-cuda finds no CUDA libraries or driver; {pip_line()}"
        cuda.current_context()
    except Exception as error:  # a broken installation fails in many ways
        return f"numba-cuda does not work here ({_one_line(error)}); {pip_line()}"
    return None


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__} {quoted(text[:200])}"
