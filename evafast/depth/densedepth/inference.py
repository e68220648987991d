"""DenseDepth as a depth model: folded, and on a GPU replayed as a CUDA graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from evafast.depth.densedepth.folded import folded
from evafast.depth.densedepth.network import STRIDE, relative_depth
from evafast.depth.densedepth.weights import load_weights
from evafast.depth.models import Kind, LoadOptions, fitted_size


class DenseDepthNetwork:
    """DenseDepth weights, folded, on a device; implements `evafast.depth.models.Network`."""

    kind: Kind = "relative"

    def __init__(self, model: str, options: LoadOptions) -> None:
        weights = load_weights(
            model, offline=options.offline, progress=options.progress,
            inner_activation=options.inner_activation, align_corners=options.align_corners,
        )  # fmt: skip
        self.metres_per_unit = weights.metres_per_unit
        self._identity = {"sha256": weights.sha256, "config": weights.model.config.to_dict()}
        network: Any = folded(weights.model, options.dtype).to(options.device)
        if options.compile:
            network = torch.compile(network, dynamic=False)
        self._network = CudaGraphed(network) if options.device.type == "cuda" else network

    def identity(self) -> dict[str, Any]:
        """Return the SHA-256 of the file and the config."""
        return self._identity

    def size_for(self, height: int, width: int, input_size: int) -> tuple[int, int]:
        """Return sides that are multiples of the stride, the shorter one ``input_size``."""
        return fitted_size(height, width, input_size, STRIDE)

    def run(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return relative depth at half size, and whether the raw output was finite."""
        y = self._network(images)[:, 0]
        return relative_depth(y), torch.isfinite(y).flatten(1).all(1)


class CudaGraphed(nn.Module):
    """A network captured as a CUDA graph, so that the host launches once per batch.

    The first batch of each image size is captured. Smaller batches run in the same graph, whose
    remaining rows keep stale data; a larger batch or another image size replaces the graph.
    Nothing here waits for the device. The network maps one CUDA tensor (N, ...) to another, row by
    row, without host syncs.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._graph: torch.cuda.CUDAGraph | None = None
        self._images = self._output = torch.empty(0)

    def forward(self, images: Tensor) -> Tensor:
        """Return a copy of the network's output, which the next batch does not overwrite."""
        n = len(images)
        if (
            self._graph is None
            or n > len(self._images)
            or images.shape[1:] != self._images.shape[1:]
            or images.dtype != self._images.dtype
        ):
            self._graph = None  # frees the old graph's memory first
            self._graph = self._capture(images)
        self._images[:n].copy_(images)
        self._graph.replay()
        return self._output[:n].clone()

    def _capture(self, images: Tensor) -> torch.cuda.CUDAGraph:
        self._images = images.clone(memory_format=torch.preserve_format)
        # Warm up outside the capture: kernels load, and the network allocates its buffers.
        stream = torch.cuda.Stream(images.device)
        stream.wait_stream(torch.cuda.current_stream(images.device))
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.network(self._images)
        torch.cuda.current_stream(images.device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(images.device), torch.cuda.graph(graph):
            self._output = self.network(self._images)
        return graph
