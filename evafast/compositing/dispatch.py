"""Which backend runs, and why: visible, and never a silent fallback."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evafast.compositing.backends import BACKENDS, load
from evafast.errors import UsageError

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BackendChoice:
    """What was chosen, where it runs and why.

    Attributes
    ----------
    backend : str
        One of `BACKENDS`.
    device : torch.device
        Where images and masks are made.
    reason : str
        One line for the user, naming what was passed over and why.
    """

    backend: str
    device: torch.device
    reason: str


def choose_backend(backend: str = "auto", device: str | torch.device = "auto") -> BackendChoice:
    """Choose a backend and a device.

    Parameters
    ----------
    backend : {'auto', 'cupy', 'numba-cuda', 'numba', 'pillow'}
        ``auto`` takes the first of cupy, numba-cuda, numba that can run on the device.
    device : str or torch.device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Returns
    -------
    BackendChoice

    Raises
    ------
    UsageError
        When an explicit backend or device is not there, or the two do not fit together.
    """
    if backend != "auto" and backend not in BACKENDS:
        raise UsageError(
            f"backend: expected auto, {', '.join(BACKENDS)}, got {backend!r}; choose one of these"
        )
    expected = None if str(device) == "auto" else _device(device)
    passed: dict[str, list[str]] = {}  # why not -> which: both CUDA backends may lack the same
    for name in BACKENDS if backend == "auto" else (backend,):
        if backend == "auto" and name == "pillow":
            break  # the reference is for comparison; numba always runs before it
        kind = load(name)
        if expected is not None and expected.type != kind.device_type:
            why: str | None = f"the device is {expected}"
        else:
            why = kind.why_unavailable()
        if why is None:
            chosen = expected or _device(kind.device_type)
            others = _others(passed)
            reason = f"{name} on {chosen}" + (f" (not {others})" if others else "")
            log.debug("backend %s", reason)
            return BackendChoice(name, chosen, reason)
        passed.setdefault(why, []).append(name)
    raise UsageError(
        f"backend: expected {backend} on {device}, got none that can run: {_others(passed)}; or "
        "leave backend and device at auto, which take what is there"
    )


def _others(passed: dict[str, list[str]]) -> str:
    return "; not ".join(f"{' and '.join(names)}: {why}" for why, names in passed.items())


def _device(device: str | torch.device) -> torch.device:
    import torch

    try:
        parsed = torch.device(device)
    except RuntimeError:
        parsed = None
    if parsed is None or parsed.type not in ("cpu", "cuda"):
        raise UsageError(
            f"device: expected auto, cpu, cuda or cuda:N, got {str(device)!r}; choose one of these"
        )
    if parsed.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        parsed = torch.device("cuda", parsed.index or 0)
        if parsed.index >= count:
            raise UsageError(
                f"device: expected {device}, got {count} CUDA devices that torch "
                f"{torch.__version__} can see; use --device cpu, or install a CUDA build of torch"
            )
    return parsed
