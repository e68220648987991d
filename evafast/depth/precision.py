"""Which device and number format a depth model runs in."""

from __future__ import annotations

import torch

from evafast.errors import UsageError, quoted

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_device(device: str | torch.device) -> torch.device:
    """Return the device, if it is there.

    Raises
    ------
    UsageError
        If it is neither the CPU nor a CUDA device of this machine.
    """
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise UsageError(f"device: expected cpu, cuda or cuda:N, got {quoted(device)}") from error
    if found.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (found.index or 0) >= count:
            raise UsageError(
                f"device: expected {found}, got a machine with {count} usable CUDA devices; use cpu"
            )
    elif found.type != "cpu":
        raise UsageError(f"device: expected cpu, cuda or cuda:N, got {quoted(device)}")
    return found


def cpu_computes_bf16() -> bool:
    """Return whether this CPU multiplies in bf16 itself (AVX512_BF16 or AMX)."""
    # torch has no public name for this; without these names the answer is no.
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, bool)() for probe in probes)


def resolve_precision(precision: str, device: torch.device) -> tuple[str, torch.dtype]:
    """Return the precision by name and dtype, ``auto`` resolved for the device.

    Raises
    ------
    UsageError
        If the name is unknown or the device does not compute in it.
    """
    if precision != "auto" and precision not in _DTYPES:
        raise UsageError(f"precision: expected auto, fp32, bf16 or fp16, got {quoted(precision)}")
    if device.type == "cpu":
        best = "bf16" if cpu_computes_bf16() else "fp32"
        if precision == "fp16":
            raise UsageError("precision: expected fp32 or bf16 on the CPU, got fp16; use auto")
    else:
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        best = "bf16" if bf16 else "fp32"
    chosen = best if precision == "auto" else precision
    return chosen, _DTYPES[chosen]
