"""The CUDA backend: ``over.cu``, compiled by NVRTC and launched through CuPy.

Torch owns all memory and the stream; CuPy only compiles, and launches on torch's current stream.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evafast.compositing.cuda import CudaBackend, pip_line

if TYPE_CHECKING:
    import torch

    from evafast.assets.bank import Bank

SOURCE = Path(__file__).with_name("over.cu")
OPTIONS = ("-std=c++17",)
TILE, WARPS = 512, 8  # pixels per warp and iteration, warps per block
ALIGNED, ANY = "evafast_over_aligned", "evafast_over_any"
BLOCKS_PER_MULTIPROCESSOR = {ALIGNED: 4, ANY: 3}  # the launch bounds in over.cu

_WIDE = ("backgrounds", "foregrounds", "table", "placements", "image", "mask", "background_chunks")
_NARROW = ("samples", "side", "tiles", "binary")
LAUNCH = np.dtype([*((n, np.uint64) for n in _WIDE), *((n, np.uint32) for n in _NARROW)])
"""``struct Launch`` of over.cu, field by field."""


def kernel_for(side: int, *addresses: int) -> str:
    """Return the name of the fastest kernel that can write to these addresses."""
    return ALIGNED if side % 16 == 0 and not any(a % 16 for a in addresses) else ANY


class Backend(CudaBackend):
    """CuPy on a CUDA device; see `evafast.compositing.backends.Backend`."""

    package = "cupy"

    def __init__(self, bank: Bank, device: torch.device, **options: bool) -> None:
        super().__init__(bank, device, **options)
        try:
            self._kernels = _compiled(device.index)
        except Exception as error:  # CuPy's own classes differ between versions
            raise self.kernel_error(error) from error
        launch = np.zeros(1, LAUNCH)
        for name, tensor in self.bank._asdict().items():
            launch[name] = tensor.data_ptr()
        launch["background_chunks"] = self.bank.backgrounds.shape[1] // 16
        launch["side"], launch["tiles"] = bank.canvas, -(-(bank.canvas**2) // TILE)
        launch["binary"] = self.binary
        self._launch = launch

    @staticmethod
    def probe() -> str | None:
        """Check CuPy's build, the driver and NVRTC."""
        import cupy

        runtime = cupy.cuda.runtime
        if runtime.is_hip:
            return f"this CuPy is built for ROCm; {pip_line()}"
        driver, built = runtime.driverGetVersion() // 1000, runtime.runtimeGetVersion() // 1000
        if driver < built:
            why = f"CuPy is built for CUDA {built}, but the driver supports CUDA {driver}"
            return f"{why}; {pip_line(driver)}"
        runtime.getDeviceCount()
        cupy.cuda.nvrtc.getVersion()  # a separate library, loaded on first use
        return None

    def launch(self, rows: torch.Tensor, image: torch.Tensor, mask: torch.Tensor) -> None:
        """Queue the kernel."""
        import cupy
        import torch

        launch = self._launch.copy()  # other threads may be launching too
        launch["placements"], launch["samples"] = rows.data_ptr(), len(rows)
        launch["image"], launch["mask"] = image.data_ptr(), mask.data_ptr()
        name = kernel_for(mask.shape[-1], image.data_ptr(), mask.data_ptr())
        tiles = len(rows) * int(launch["tiles"][0])
        grid = min(-(-tiles // WARPS), self.multiprocessors * BLOCKS_PER_MULTIPROCESSOR[name])
        stream = torch.cuda.current_stream(self.device)
        if hasattr(cupy.cuda.Stream, "from_external"):  # CuPy 14 and later
            stream = cupy.cuda.Stream.from_external(stream)
        else:
            stream = cupy.cuda.ExternalStream(stream.cuda_stream, stream.device.index)
        with stream:
            self._kernels[name]((grid,), (32 * WARPS,), (launch,))


@cache
def _compiled(device: int) -> dict[str, Any]:
    """Compile the kernels for a device, once per process; CuPy caches them on disk as well."""
    import cupy

    with cupy.cuda.Device(device):
        module = cupy.RawModule(code=SOURCE.read_text(encoding="utf-8"), options=OPTIONS)
        kernels = {name: module.get_function(name) for name in (ALIGNED, ANY)}
        for kernel in kernels.values():
            kernel.compile()
    return kernels
