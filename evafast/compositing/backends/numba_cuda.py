# mypy: allow-untyped-calls
"""The second CUDA backend, for machines without CuPy: simpler than over.cu, and slower."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from evafast.compositing.cuda import CudaBackend, pip_line

if TYPE_CHECKING:
    import torch

    from evafast.compositing.cuda import PackedBank

THREADS = 256
BLOCKS_PER_MULTIPROCESSOR = 8
FEWEST_BLOCKS = 128  # Numba warns about smaller grids; blocks without work exit at once


def prepare(
    bank: PackedBank, rows: torch.Tensor, image: torch.Tensor, mask: torch.Tensor, *, binary: bool
) -> tuple[Any, int, tuple[Any, ...]]:
    """Return the kernel, the words per image, and the arguments, tensors among them."""
    import torch

    from evafast.compositing.backends.numba_cuda_kernel import make_kernel

    side = mask.shape[-1]
    wide = side * side % 8 == 0 and not (image.data_ptr() % 8 or mask.data_ptr() % 8)
    word = torch.int64 if wide else torch.uint8
    backgrounds = bank.backgrounds.view(word)
    arguments = (
        backgrounds.reshape(-1),
        bank.foregrounds.view(torch.int32).reshape(-1),
        bank.table,
        rows,
        image.reshape(-1).view(word),
        mask.reshape(-1).view(word),
        backgrounds.shape[1],
        side,
        binary,
    )
    return make_kernel(wide=wide), 3 * side * side // word.itemsize, arguments


class Backend(CudaBackend):
    """Numba on a CUDA device; see `evafast.compositing.backends.Backend`."""

    package = "numba-cuda"

    @staticmethod
    def probe() -> str | None:
        """Check Numba's CUDA libraries and the driver."""
        from numba import cuda

        if not cuda.is_available():
            return f"numba-cuda finds no CUDA libraries or driver; {pip_line()}"
        cuda.current_context()
        return None

    def launch(self, rows: torch.Tensor, image: torch.Tensor, mask: torch.Tensor) -> None:
        """Queue the kernel."""
        import torch
        from numba import cuda

        count = len(rows)
        kernel, words, arguments = prepare(self.bank, rows, image, mask, binary=self.binary)
        blocks = BLOCKS_PER_MULTIPROCESSOR * self.multiprocessors
        per_sample = min(-(-words // THREADS), -(-blocks // count))
        grid = max(per_sample, -(-FEWEST_BLOCKS // count)), min(count, 65535)
        stream = torch.cuda.current_stream(self.device).cuda_stream
        with cuda.gpus[self.device.index]:
            view = partial(cuda.as_cuda_array, sync=False)
            views = [view(a) if isinstance(a, torch.Tensor) else a for a in arguments]
            try:
                kernel[grid, THREADS, cuda.external_stream(stream)](*views)
            except Exception as error:  # compilation and launch raise Numba's own classes
                raise self.kernel_error(error) from error
