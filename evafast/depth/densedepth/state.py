"""Tensors into a network by name, every one accounted for."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from evafast.depth.densedepth.network import DenseDepth
from evafast.errors import UsageError, quoted

#: BatchNorm counts its training batches; files of weights leave that out.
COUNTER = "num_batches_tracked"


def load_state(model: DenseDepth, tensors: Mapping[str, torch.Tensor], name: str) -> None:
    """Make ``tensors`` the model's own (which may be on the meta device).

    Parameters
    ----------
    model : DenseDepth
    tensors : mapping of str to Tensor
        By the names of `DenseDepth.state_dict`, less BatchNorm's batch counters.
    name : str
        The (quoted) file that messages name.

    Raises
    ------
    UsageError
        If a tensor is missing, left over or wrongly shaped.
    """
    expected = {k: v for k, v in model.state_dict().items() if not k.endswith(COUNTER)}
    for key, like in expected.items():
        if key not in tensors:
            raise UsageError(f"{name}: expected tensor {key}, got none; write the file again")
        if tensors[key].shape != like.shape:
            raise UsageError(
                f"{name}: tensor {key}: expected shape {tuple(like.shape)}, "
                f"got {tuple(tensors[key].shape)}; the file is of another network"
            )
    left = sorted(set(tensors) - set(expected))
    if left:
        raise UsageError(
            f"{name}: expected the network's tensors only, got {quoted(left[0])} left over; "
            "the file is of another network"
        )
    counters = {
        k: torch.zeros((), dtype=torch.long) for k in model.state_dict() if k.endswith(COUNTER)
    }
    model.load_state_dict({**tensors, **counters}, assign=True)
