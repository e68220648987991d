"""``evafast depth``: fetch and convert weights, predict, evaluate."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tyro.conf import Positional

from evafast.errors import UsageError, quoted, refusal
from evafast.system.cli import parse
from evafast.system.console import Console, run_command

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from evafast.depth.estimator import DepthEstimator, DepthMaps


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """Fetch the authors' weights into the cache."""

    names: Positional[tuple[Literal["nyu", "kitti"], ...]]
    """The weights to fetch."""

    def run(self) -> None:
        """Fetch, and print the paths."""
        from evafast.depth.densedepth.fetch import fetched

        if not self.names:
            raise UsageError("expected nyu or kitti, got none; see evafast depth --help")
        for name in self.names:
            print(fetched(name, progress=Console().progress))


@dataclass(frozen=True, kw_only=True)
class _Source:
    """Options of every command that loads weights."""

    offline: bool = False
    """Never use the network."""
    metres_per_unit: float | None = None
    """Metres in one unit of depth, for files that do not record it (NYU: 10, KITTI: 80)."""
    inner_activation: bool = False
    """A LeakyReLU between convA and convB, for .h5 files that do not record it."""
    no_inner_activation: bool = False
    """No LeakyReLU between convA and convB."""
    align_corners: bool = False
    """Bilinear upsampling with corners aligned, for .h5 files that do not record it."""
    no_align_corners: bool = False
    """Bilinear upsampling with half-pixel centers."""

    def __post_init__(self) -> None:
        metres = self.metres_per_unit
        if metres is not None and not 0 < metres < float("inf"):
            raise refusal("--metres-per-unit", "a number > 0", metres, "NYU: 10")

    def load_options(self) -> dict[str, Any]:
        """Return keyword arguments that `load_weights` and `DepthEstimator.load` share."""
        options = {"offline": self.offline, "progress": Console().progress}
        for flag in ("inner_activation", "align_corners"):
            if getattr(self, flag) or getattr(self, f"no_{flag}"):
                options[flag] = getattr(self, flag)
        return options


@dataclass(frozen=True, kw_only=True)
class Convert(_Source):
    """Write Keras weights as safetensors."""

    source: Positional[str]
    """nyu, kitti or a .h5 file."""
    target: Positional[Path]
    """The .safetensors file to write."""
    half: bool = False
    """Store float16, half the size."""
    force: bool = False
    """Replace an existing target."""

    def run(self) -> None:
        """Convert, and print what was written."""
        import torch

        from evafast.depth.densedepth.weights import METRES_KEY, load_weights, save_safetensors

        name = quoted(self.target)
        if self.target.suffix != ".safetensors":
            raise refusal(name, "a .safetensors name", "another", "rename it")
        if self.target.exists() and not self.force:
            raise refusal(name, "a new file", "an existing one", "use --force")
        weights = load_weights(self.source, **self.load_options())
        metadata = {"source_sha256": weights.sha256}
        if metres := self.metres_per_unit or weights.metres_per_unit:
            metadata[METRES_KEY] = repr(float(metres))
        dtype = torch.float16 if self.half else torch.float32
        save_safetensors(weights.model, self.target, metadata, dtype=dtype)
        count = sum(p.numel() for p in weights.model.parameters())
        print(f"{name}: {count:,} parameters, {weights.model.config}")


@dataclass(frozen=True, kw_only=True)
class _Model(_Source):
    """Options of every command that runs a model."""

    depth: str = "compact"
    """compact, nyu, kitti, a .h5 or .safetensors file, or hf:ID."""
    device: str = "cpu"
    """auto, cpu, cuda or cuda:N."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """auto is bf16 where the device computes in it natively, otherwise fp32."""
    depth_input: int = 224
    """Shorter side of the network's input, a multiple of 32."""
    compile: bool = False
    """Use torch.compile, for long runs."""

    def load(self) -> DepthEstimator:
        """Return the estimator that the options describe."""
        from evafast.depth.estimator import DepthEstimator

        estimator = DepthEstimator.load(
            self.depth, device=self.device, precision=self.precision,
            input_size=self.depth_input, compile=self.compile, **self.load_options(),
        )  # fmt: skip
        if self.metres_per_unit and estimator.kind == "inverse":
            raise refusal("--metres-per-unit", "a model of depth", "inverse depth", "omit it")
        estimator.metres_per_unit = self.metres_per_unit or estimator.metres_per_unit
        return estimator


@dataclass(frozen=True, kw_only=True)
class Predict(_Model):
    """Write depth as 16-bit PNG and in colour."""

    images: Positional[tuple[Path, ...]]
    """Image files."""
    out: Path = Path()
    """Folder for the results."""

    def run(self) -> None:
        """Predict, and print each file with the meaning of its values."""
        import torch

        from evafast.depth.estimator import check_finite
        from evafast.depth.images import colorize_depth, read_rgb, write_png

        if not self.images:
            raise UsageError("expected an image file, got none; see evafast depth --help")
        seen: dict[str, Path] = {}
        for path in self.images:
            if path.stem in seen:
                got = f"the same name as {quoted(seen[path.stem])}"
                remedy = "predict them into different --out folders"
                raise refusal(quoted(path), "distinct file names", got, remedy)
            if not path.is_file():
                raise refusal(quoted(path), "an image", "no file", "check the path")
            seen[path.stem] = path
        estimator = self.load()
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            out, remedy = quoted(self.out), "choose another --out"
            raise refusal(out, "a writable folder", error.strerror, remedy) from error
        for path in self.images:
            maps = estimator(torch.from_numpy(read_rgb(path))[None].to(estimator.device))
            check_finite(maps.finite.cpu(), [str(path)])
            grey, colour = (self.out / f"{path.stem}.{part}.png" for part in ("depth", "colour"))
            codes, meaning = _codes16(maps, estimator)
            write_png(grey, codes)
            write_png(colour, colorize_depth(maps.depth[0].cpu().numpy(), estimator.kind))
            print(f"{quoted(grey)}: {meaning}")


def _codes16(maps: DepthMaps, estimator: DepthEstimator) -> tuple[NDArray[np.uint16], str]:
    """Return a single map as uint16 (H, W), and what its values mean."""
    import numpy as np

    from evafast.depth.encoding import encode

    if estimator.metres_per_unit is not None:
        encoded = encode(maps.depth, "metric16", estimator.metres_per_unit)
        return encoded.codes[0].cpu().numpy(), "millimetres"
    values = maps.depth[0].cpu().numpy().astype(np.float64)
    low, high, meaning = 0.0, 1.0, "relative depth x 65535"
    if estimator.kind != "relative":
        low, high = values.min(), values.max()
        meaning = f"inverse depth, 0..65535 is {low:.6g}..{high:.6g}"
    codes = np.floor((values - low) / ((high - low) or 1.0) * 65535 + 0.5)
    return codes.astype(np.uint16), meaning


@dataclass(frozen=True, kw_only=True)
class Evaluate(_Model):
    """Compare with ground truth by the NYU protocol."""

    folder: Positional[Path]
    """Holds images/ and depth/, or eigen_test_rgb.npy and eigen_test_depth.npy."""
    depth: str = "nyu"
    depth_input: int = 480
    crop: Literal["eigen", "none"] = "eigen"
    """Region of the image that is evaluated."""
    no_mirror: bool = False
    """Do not average with the prediction for the mirrored image."""

    def run(self) -> None:
        """Evaluate, and print both averages."""
        from evafast.depth.evaluation import evaluate

        if not self.folder.is_dir():
            raise refusal(quoted(self.folder), "a folder", "none", "check the path")
        errors = evaluate(
            self.load(), self.folder, crop=self.crop == "eigen", mirrored=not self.no_mirror
        )
        print(f"{len(errors)} images")
        for name, metrics in (("pooled", errors.pooled()), ("per image", errors.per_image())):
            values = asdict(metrics)
            pixels = values.pop("pixels")
            figures = "  ".join(f"{key} {value:.4f}" for key, value in values.items())
            print(f"{name:<10} {figures}  pixels {pixels}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 2 (usage), 1 (failure) or 130 (interrupted)."""
    commands = Fetch | Convert | Predict | Evaluate
    text = "Fetch and convert weights, predict, evaluate."

    def command() -> None:
        parse(commands, arguments, prog="evafast depth", description=text).run()

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
