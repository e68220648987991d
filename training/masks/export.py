"""``python -m training.masks.export CHECKPOINT OUT``: to ONNX (.onnx) or torch.export (.pt2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from evafast import UsageError
from evafast.errors import quoted
from evafast.system.cli import parse
from evafast.system.console import run_command
from training.masks.checkpoint import open_checkpoint
from training.masks.model import MaskDepthNet

INPUTS, OUTPUTS = ("background", "composite"), ("mask_logits", "depth")


def export(model: MaskDepthNet, size: int) -> torch.export.ExportedProgram:
    """Return the network as a graph over ``(n, 3, size, size)`` images, for any n."""
    images = (torch.rand(2, 3, size, size), torch.rand(2, 3, size, size))
    batch = torch.export.Dim("batch", min=1)
    plain = model.to("cpu", memory_format=torch.contiguous_format).eval()
    return torch.export.export(plain, images, dynamic_shapes={name: {0: batch} for name in INPUTS})


def save(model: MaskDepthNet, size: int, path: Path) -> None:
    """Write the network in the format of the path's suffix.

    Raises
    ------
    UsageError
        If the suffix is another, the file exists, or ONNX's packages are missing.
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
        import onnxscript  # noqa: F401 - torch.onnx needs it
    except ImportError:
        raise UsageError(
            "onnx: expected the packages onnx and onnxscript, got none; pip install onnx onnxscript"
        ) from None
    torch.onnx.export(
        program, (), str(path), input_names=INPUTS, output_names=OUTPUTS, external_data=False,
        verbose=False,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of the command.

    Attributes
    ----------
    checkpoint : Path
        A best.ckpt or last.ckpt.
    out : Path
        NAME.onnx or NAME.pt2.
    """

    checkpoint: tyro.conf.Positional[Path]
    out: tyro.conf.Positional[Path]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def command() -> None:
        options: Options = parse(
            Options, arguments, prog="python -m training.masks.export",
            description="Export a checkpoint for inference.",
        )  # fmt: skip
        checkpoint = open_checkpoint(options.checkpoint)
        save(checkpoint.model, checkpoint.config.data.size, options.out)
        print(options.out)

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
