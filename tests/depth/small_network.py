"""A small DenseDepth of random weights."""

from __future__ import annotations

import torch
from torch import nn

from evafast.depth.densedepth.network import DenseDepth, DenseDepthConfig

SMALL = {"blocks": (1, 2, 2, 1), "growth": 8, "stem": 16, "decoder_width": 64}


def random_network(seed: int = 0, **config: object) -> DenseDepth:
    """A small DenseDepth whose BatchNorms are far from the identity, y around 5."""
    generator = torch.Generator().manual_seed(seed)
    model = DenseDepth(DenseDepthConfig(**(SMALL | config)))  # type: ignore[arg-type]

    def uniform(tensor: torch.Tensor, low: float, high: float) -> None:
        tensor.copy_(low + (high - low) * torch.rand(tensor.shape, generator=generator))

    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                # Negative, tiny and zero scales: each takes another path in the folding.
                uniform(module.weight, -0.5, 1.3)
                module.weight[0] = 0.0
                module.weight[1] = 1e-3
                uniform(module.bias, -0.3, 0.3)
                uniform(module.running_mean, -0.3, 0.3)
                uniform(module.running_var, 0.5, 1.5)
                # A variance near epsilon, with a scale that keeps its channel of order one.
                module.running_var[-1] = 1e-5
                module.weight[-1] *= 0.004
            elif isinstance(module, nn.Conv2d):
                half = (6 / (module.weight[0].numel())) ** 0.5
                uniform(module.weight, -half, half)
                if module.bias is not None:
                    uniform(module.bias, -0.2, 0.2)
        model.decoder.conv3.bias.fill_(5.0)
    return model.eval()
