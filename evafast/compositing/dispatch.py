"""Choose a backend and give the reason; an explicit choice never falls back."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from evafast.compositing.backends import BACKENDS, load
from evafast.errors import UsageError
from evafast.system.devices import resolve_device

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BackendChoice:
    """The chosen backend (a key of `BACKENDS`), where it runs, and why.

    The reason is one line, with the backends that ``auto`` passed over.
    """

    backend: str
    device: torch.device
    reason: str


def choose_backend(backend: str = "auto", device: str | torch.device = "auto") -> BackendChoice:
    """Choose a backend and a device.

    Parameters
    ----------
    backend : str
        A key of `BACKENDS`, or ``auto``: the first of ``cupy``, ``numba-cuda`` and ``numba`` that
        can run on the device.
    device : str or torch.device
        ``cpu``, ``cuda``, ``cuda:N``, or ``auto`` for the backend's device.

    Raises
    ------
    UsageError
        If an explicit backend or device is unavailable, or the two do not match.
    """
    if backend != "auto" and backend not in BACKENDS:
        raise UsageError(
            f"backend: expected auto, {', '.join(BACKENDS)}, got {backend!r}; choose one of these"
        )
    required = None if str(device) == "auto" else resolve_device(device)
    # The reference, and any backend registered after it, run only on request.
    automatic = takewhile(lambda name: name != "pillow", BACKENDS)
    rejected: dict[str, list[str]] = {}  # reason -> names: both CUDA backends may have the same
    for name in automatic if backend == "auto" else [backend]:
        found = load(name)
        matches = required is None or required.type == found.device_type
        why = found.why_unavailable() if matches else f"the device is {required}"
        if why is None:
            chosen = required or resolve_device(found.device_type)
            others = f" (not {_listed(rejected)})" if rejected else ""
            choice = BackendChoice(name, chosen, f"{name} on {chosen}{others}")
            log.debug("backend %s", choice.reason)
            return choice
        rejected.setdefault(why, []).append(name)
    raise UsageError(
        f"backend: expected {backend} on {device}, got none that can run: {_listed(rejected)}; or "
        "use auto for both backend and device"
    )


def _listed(rejected: dict[str, list[str]]) -> str:
    return "; not ".join(f"{' and '.join(names)}: {why}" for why, names in rejected.items())
