"""Replay of a network's kernels as one CUDA graph: the host launches once per batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CudaGraphed(nn.Module):
    """A network captured at its first batch of each image size.

    Smaller batches run in the same graph, their missing rows left as they were; a larger batch or
    another image size is captured anew in its place. Nothing here waits for the device.

    Parameters
    ----------
    network : nn.Module
        Maps one CUDA tensor (N, ...) to one (N, ...), each row on its own, without host syncs.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._graph: torch.cuda.CUDAGraph | None = None
        self._images = self._output = torch.empty(0)

    def forward(self, images: Tensor) -> Tensor:
        """Return the network's output; it is the caller's to keep."""
        n = len(images)
        if (
            self._graph is None
            or n > len(self._images)
            or images.shape[1:] != self._images.shape[1:]
            or images.dtype != self._images.dtype
        ):
            self._capture(images)
        assert self._graph is not None
        self._images[:n].copy_(images)
        self._graph.replay()
        return self._output[:n].clone()

    def _capture(self, images: Tensor) -> None:
        self._graph = None  # frees the old graph's memory first
        self._images = images.clone(memory_format=torch.preserve_format)
        # Warm-up outside the capture: kernels load, and the network allocates what it keeps.
        stream = torch.cuda.Stream(images.device)
        stream.wait_stream(torch.cuda.current_stream(images.device))
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.network(self._images)
        torch.cuda.current_stream(images.device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(images.device), torch.cuda.graph(graph):
            self._output = self.network(self._images)
        self._graph = graph
