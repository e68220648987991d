"""``python -m training.masks.export CHECKPOINT OUT``: ONNX (``.onnx``) or torch.export (``.pt2``)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from evafast import UsageError
from evafast.errors import quoted
from evafast.system.console import OneLineParser, run_command
from training.masks.checkpoint import open_checkpoint
from training.masks.model import MaskDepthNet

INPUTS, OUTPUTS = ("background", "composite"), ("mask_logits", "depth")


def export(model: MaskDepthNet, size: int) -> torch.export.ExportedProgram:
    """Return the network as a graph over ``(n, 3, size, size)`` pictures, any n."""
    pictures = (torch.rand(2, 3, size, size), torch.rand(2, 3, size, size))
    batch = torch.export.Dim("batch", min=1)
    plain = model.to("cpu", memory_format=torch.contiguous_format).eval()
    return torch.export.export(
        plain, pictures, dynamic_shapes={name: {0: batch} for name in INPUTS}
    )


def save(model: MaskDepthNet, size: int, path: Path) -> None:
    """Write the network as the path's suffix says.

    Raises
    ------
    UsageError
        When the suffix is another, the file is there, or ONNX's packages are not.
    """
    if path.suffix not in (".onnx", ".pt2"):
        raise UsageError(f"out: expected a name in .onnx or .pt2, got {quoted(path)}; choose one")
    if path.exists():
        raise UsageError(f"out: expected a new file, got {quoted(path)}; choose another")
    program = export(model, size)
    if path.suffix == ".pt2":
        torch.export.save(program, path)
        return
    try:
        import onnxscript  # noqa: F401 - what torch.onnx needs
    except ImportError:
        raise UsageError(
            "onnx: expected the packages onnx and onnxscript, got none; pip install onnx onnxscript"
        ) from None
    torch.onnx.export(
        program, (), str(path), input_names=INPUTS, output_names=OUTPUTS, external_data=False,
        verbose=False,
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""

    def command() -> None:
        parser = OneLineParser(
            prog="python -m training.masks.export", description="Export a checkpoint for inference."
        )
        parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
        parser.add_argument("out", type=Path, metavar="OUT", help="name.onnx or name.pt2")
        given: argparse.Namespace = parser.parse_args(arguments)
        checkpoint = open_checkpoint(given.checkpoint)
        save(checkpoint.model, checkpoint.config.data.size, given.out)
        print(given.out)

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
