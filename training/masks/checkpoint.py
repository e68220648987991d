"""Opening a checkpoint for evaluation, prediction and export."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import torch

from evafast import UsageError
from evafast.errors import quoted
from training.masks.config import MaskTrainConfig
from training.masks.model import MaskDepthNet, build


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A trained network and how it was trained.

    Attributes
    ----------
    model : MaskDepthNet
        In evaluation mode.
    config : MaskTrainConfig
    steps : int
    trained_seconds : float
        Time of its steps, waiting for data included, validation excluded.
    share_waiting_for_data : float
    """

    model: MaskDepthNet
    config: MaskTrainConfig
    steps: int
    trained_seconds: float
    share_waiting_for_data: float


def open_checkpoint(path: Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Open a checkpoint of `training.masks.train`; nothing in it is executed.

    Raises
    ------
    UsageError
        If it is missing or something else.
    """
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        config = MaskTrainConfig.from_dict(stored["hyper_parameters"]["config"])
        prefix = "model."
        weights = {
            name.removeprefix(prefix): value
            for name, value in stored["state_dict"].items()
            if name.startswith(prefix)
        }
        model = build(config.preset)
        model.load_state_dict(weights)
    except FileNotFoundError:
        raise UsageError(f"checkpoint: expected a file, got none at {quoted(path)}") from None
    except (OSError, KeyError, TypeError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise UsageError(
            f"checkpoint: expected one of training.masks.train, got {quoted(path)} "
            f"({type(error).__name__}); give a best.ckpt or last.ckpt"
        ) from None
    return Checkpoint(
        model=model.to(device, memory_format=torch.channels_last).eval(),
        config=config,
        steps=stored["global_step"],
        trained_seconds=stored["trained_seconds"],
        share_waiting_for_data=stored["share_waiting_for_data"],
    )
