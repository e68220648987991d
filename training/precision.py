"""Which precision to train in."""

from __future__ import annotations

import torch

from evafast.depth.estimator import cpu_computes_bf16


def computes_bf16(precision: str, device: torch.device) -> bool:
    """Return whether to compute in bfloat16; auto does where the hardware has it."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cpu":
        return cpu_computes_bf16()
    return torch.cuda.is_bf16_supported(including_emulation=False)
