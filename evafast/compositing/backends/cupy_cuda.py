"""The CUDA backend: ``over.cu`` compiled by NVRTC and launched through CuPy.

Torch owns all memory and the stream; CuPy only compiles and launches, on torch's current stream.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evafast.compositing.cuda_device import check_capability, pip_line, why_no_device
from evafast.compositing.device_bank import pack_bank
from evafast.compositing.placement_ring import PlacementRing
from evafast.errors import RunError, quoted

if TYPE_CHECKING:
    import torch

    from evafast.assets.bank import Bank
    from evafast.sampling.recipe import Placements

SOURCE = Path(__file__).with_name("over.cu")
INCLUDED = SOURCE.with_name("over_unit.cu")
TILE = 512  # pixels a warp takes at a time
WARPS = 8  # in a block
ALIGNED, ANY = "evafast_over_aligned", "evafast_over_any"

LAUNCH = np.dtype(
    [
        ("backgrounds", np.uint64),
        ("cutouts", np.uint64),
        ("table", np.uint64),
        ("placements", np.uint64),
        ("image", np.uint64),
        ("mask", np.uint64),
        ("network", np.uint64),
        ("background_chunks", np.uint64),
        ("samples", np.uint32),
        ("side", np.uint32),
        ("tiles", np.uint32),
        ("binary", np.uint32),
    ]
)
"""``struct Launch`` of over.cu, field by field."""

NETWORK = {"none": 0, "bfloat16": 1, "float16": 2, "float32": 3}
"""EVAFAST_NETWORK of over.cu by torch's name of the dtype."""


def compile_options(*, planar: bool, network: str) -> tuple[str, ...]:
    """Return the macros that select one variant of over.cu."""
    return (
        "-std=c++17",
        f"-DEVAFAST_PLANAR={int(planar)}",
        f"-DEVAFAST_NETWORK={NETWORK[network]}",
    )


def source() -> str:
    """Return the kernel's two files as the one text that NVRTC compiles.

    CuPy keeps compiled code by a hash of this text, so an included file must be part of it.
    """
    return "\n".join(path.read_text(encoding="utf-8") for path in (INCLUDED, SOURCE))


def blocks_per_multiprocessor(kernel: str, network: str) -> int:
    """Return how many blocks stay resident, as the launch bounds in over.cu have it."""
    return 4 if kernel == ALIGNED and network == "none" else 3


def kernel_for(side: int, *addresses: int) -> str:
    """Return the name of the fastest kernel that may write to these addresses."""
    return ALIGNED if side % 16 == 0 and not any(a % 16 for a in addresses) else ANY


class Backend:
    """CuPy on a CUDA device; see `evafast.compositing.backends.CudaBackend`."""

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

        check_capability("cupy", device)
        packed = pack_bank(bank, planar=layout == "nchw")
        self._device = device
        self._network = str(network_input).removeprefix("torch.").lower()
        self._bank = packed.on(device)
        self._ring = PlacementRing(device)
        self._streams: dict[int, Any] = {}
        self._tiles = -(-(bank.canvas**2) // TILE)
        self._multiprocessors = torch.cuda.get_device_properties(device).multi_processor_count
        self._kernels = _compiled(
            device.index, compile_options(planar=layout == "nchw", network=self._network)
        )
        launch = np.zeros(1, LAUNCH)
        for name, tensor in zip(("backgrounds", "cutouts", "table"), self._bank, strict=True):
            launch[name] = tensor.data_ptr()
        launch["background_chunks"] = packed.background_chunks
        launch["side"], launch["tiles"], launch["binary"] = bank.canvas, self._tiles, binary
        self._launch = launch

    @staticmethod
    def why_unavailable() -> str | None:
        """Say what is missing; CuPy itself is imported only where torch sees a CUDA device."""
        installed = find_spec("cupy") is not None
        missing = why_no_device()
        if missing is not None:
            return missing if installed else f"{missing}, then {pip_line()}"
        return _why_cupy_fails() if installed else f"CuPy is not installed; {pip_line()}"

    def composite(
        self,
        placements: Placements,
        image: torch.Tensor,
        mask: torch.Tensor,
        network_input: torch.Tensor | None = None,
    ) -> None:
        """Queue one copy and one kernel on torch's current stream."""
        import torch

        with torch.cuda.device(self._device):
            self.launch(self._ring.upload(placements), image, mask, network_input)

    def launch(
        self,
        rows: torch.Tensor,
        image: torch.Tensor,
        mask: torch.Tensor,
        network_input: torch.Tensor | None = None,
    ) -> None:
        """Queue the kernel alone, for placements that are on the device, which is the current one.

        Parameters
        ----------
        rows : torch.Tensor of int32, shape (n, 4)
            As `PlacementRing.upload` returns them.
        image, mask, network_input : torch.Tensor
            As for `composite`.
        """
        import torch

        count = len(rows)
        outputs = [t for t in (image, mask, network_input) if t is not None]
        launch = self._launch.copy()  # by value: other threads may be launching too
        for name, tensor in zip(("image", "mask", "network"), outputs, strict=False):
            launch[name] = tensor.data_ptr()
        launch["placements"], launch["samples"] = rows.data_ptr(), count
        kernel = kernel_for(int(mask.shape[-1]), *(t.data_ptr() for t in outputs))
        resident = self._multiprocessors * blocks_per_multiprocessor(kernel, self._network)
        grid = min(-(-count * self._tiles // WARPS), resident)
        with self._stream(torch.cuda.current_stream(self._device).cuda_stream):
            self._kernels[kernel]((grid,), (32 * WARPS,), (launch,))

    def _stream(self, pointer: int) -> Any:
        if pointer not in self._streams:
            self._streams[pointer] = _cupy_stream(pointer, self._device.index)
        return self._streams[pointer]


class _TorchStream:
    """Torch's stream by the CUDA stream protocol."""

    def __init__(self, pointer: int) -> None:
        self._pointer = pointer

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self._pointer


def _cupy_stream(pointer: int, device: int) -> Any:
    import cupy

    if hasattr(cupy.cuda.Stream, "from_external"):  # CuPy 14 and later
        return cupy.cuda.Stream.from_external(_TorchStream(pointer))
    return cupy.cuda.ExternalStream(pointer, device)


@cache
def _compiled(device: int, options: tuple[str, ...]) -> dict[str, Any]:
    """Compile one variant for one device, once a process (CuPy caches it on disk as well)."""
    import cupy

    with cupy.cuda.Device(device):
        try:
            module = cupy.RawModule(code=source(), options=options)
            kernels = {name: module.get_function(name) for name in (ALIGNED, ANY)}
            for kernel in kernels.values():
                kernel.compile()
        except Exception as error:  # CuPy's own classes differ between versions
            raise RunError(
                f"over.cu: expected a kernel for cuda:{device}, got {_one_line(error)}; update the "
                "driver or CuPy, or choose another backend"
            ) from error
    return kernels


@cache
def _why_cupy_fails() -> str | None:
    try:
        import cupy

        if cupy.cuda.runtime.is_hip:
            return f"this CuPy is built for ROCm; {pip_line()}"
        driver = cupy.cuda.runtime.driverGetVersion()
        toolkit = cupy.cuda.runtime.runtimeGetVersion()
        if driver // 1000 < toolkit // 1000:
            return (
                f"CuPy is built for CUDA {toolkit // 1000}, the driver knows CUDA "
                f"{driver // 1000}; {pip_line(driver // 1000)}"
            )
        cupy.cuda.runtime.getDeviceCount()
        cupy.cuda.nvrtc.getVersion()  # the compiler is a library of its own, loaded on first use
    except Exception as error:  # a broken installation fails in many ways
        return f"CuPy does not work here ({_one_line(error)}); {pip_line()}"
    return None


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__} {quoted(text[:200])}"
