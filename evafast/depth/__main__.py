"""``python -m evafast.depth``: fetch and convert weights, predict, evaluate."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from evafast.errors import UsageError, quoted
from evafast.system.console import Download, OneLineParser, run_command

if TYPE_CHECKING:
    import numpy as np

    from evafast.depth.estimator import DepthEstimator


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 2 (usage), 1 (failure) or 130 (interrupted)."""
    return run_command(lambda: _run(arguments), resumes=True)


def _run(arguments: Sequence[str] | None) -> None:
    options = _parser().parse_args(arguments)
    options.run(options)


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="python -m evafast.depth", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    fetch = commands.add_parser("fetch", help="fetch the authors' weights into the cache")
    fetch.add_argument("names", nargs="+", choices=("nyu", "kitti"), metavar="nyu|kitti")
    fetch.set_defaults(run=_fetch)

    convert = commands.add_parser("convert", help="write Keras weights as safetensors")
    convert.add_argument("source", help="nyu, kitti or a .h5 file")
    convert.add_argument("target", type=Path, help="the .safetensors file to write")
    convert.add_argument("--half", action="store_true", help="store float16, half the size")
    convert.add_argument("--force", action="store_true", help="replace TARGET if it is there")
    convert.add_argument(
        "--metres-per-unit", type=_positive, metavar="M", help="NYU: 10, KITTI: 80"
    )
    convert.add_argument("--offline", action="store_true", help="never use the network")
    _add_variant(convert)
    convert.set_defaults(run=_convert)

    predict = commands.add_parser("predict", help="write depth as 16-bit PNG and in colour")
    predict.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    predict.add_argument("--out", type=Path, default=Path(), help="folder (default: here)")
    _add_model(predict, "compact")
    predict.set_defaults(run=_predict)

    evaluate = commands.add_parser("evaluate", help="compare with true depth by the NYU protocol")
    evaluate.add_argument("folder", type=Path, metavar="DIR")
    evaluate.add_argument("--crop", choices=("eigen", "none"), default="eigen")
    evaluate.add_argument(
        "--no-mirror", action="store_true", help="no mean with the mirrored image"
    )
    _add_model(evaluate, "nyu", input_size=480)
    evaluate.set_defaults(run=_evaluate)
    return parser


def _add_model(parser: argparse.ArgumentParser, default: str, input_size: int = 224) -> None:
    parser.add_argument(
        "--depth",
        default=default,
        metavar="MODEL",
        help=f"compact, nyu, kitti, a .h5 or .safetensors file, or hf:ID (default: {default})",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: cpu)")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16", "fp16"))
    parser.add_argument(
        "--depth-input", type=int, default=input_size, metavar="N",
        help=f"shorter side at which the network sees an image (default: {input_size})",
    )  # fmt: skip
    parser.add_argument("--compile", action="store_true", help="torch.compile, for long runs")
    parser.add_argument("--offline", action="store_true", help="never use the network")
    parser.add_argument("--metres-per-unit", type=_positive, metavar="M", help="scale of a FILE")
    _add_variant(parser)


def _add_variant(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("variant", "for .h5 files that do not record it")
    for flag, what in (
        ("inner-activation", "LeakyReLU between convA and convB"),
        ("align-corners", "bilinear upsampling with corners aligned"),
    ):
        group.add_argument(f"--{flag}", action=argparse.BooleanOptionalAction, help=what)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number > 0, got {text}")
    return value


def _fetch(options: argparse.Namespace) -> None:
    from evafast.depth.densedepth.fetch import fetched

    for name in options.names:
        with Download("weights") as bar:
            path = fetched(name, progress=bar)
        print(path)


def _convert(options: argparse.Namespace) -> None:
    import torch

    from evafast.depth.densedepth.weights import METRES_KEY, load_weights, save_safetensors

    target: Path = options.target
    if target.suffix != ".safetensors":
        raise UsageError(f"{quoted(target)}: expected a name ending in .safetensors; rename it")
    if target.exists() and not options.force:
        raise UsageError(f"{quoted(target)}: expected a new file, got one there already; use --force")
    with Download("weights") as bar:
        weights = load_weights(
            options.source,
            offline=options.offline,
            progress=bar,
            inner_activation=options.inner_activation,
            align_corners=options.align_corners,
        )
    metadata = {"source_sha256": weights.sha256}
    if metres := options.metres_per_unit or weights.metres_per_unit:
        metadata[METRES_KEY] = repr(float(metres))
    dtype = torch.float16 if options.half else torch.float32
    save_safetensors(weights.model, target, metadata, dtype=dtype)
    count = sum(p.numel() for p in weights.model.parameters())
    print(f"{quoted(target)}: {count:,} parameters, {weights.model.config}")


def _estimator(options: argparse.Namespace) -> DepthEstimator:
    from evafast.depth.estimator import DepthEstimator

    with Download("weights") as bar:
        estimator = DepthEstimator.load(
            options.depth,
            device=options.device,
            precision=options.precision,
            input_size=options.depth_input,
            compile=options.compile,
            offline=options.offline,
            progress=bar,
            inner_activation=options.inner_activation,
            align_corners=options.align_corners,
        )
    if options.metres_per_unit:
        if estimator.kind == "inverse":
            raise UsageError("--metres-per-unit: expected a model of depth, got one of inverse depth")
        estimator.metres_per_unit = options.metres_per_unit
    return estimator


def _predict(options: argparse.Namespace) -> None:
    import torch

    from evafast.depth.estimator import check_finite
    from evafast.depth.images import coloured, read_rgb, write_png

    seen: dict[str, Path] = {}
    for path in options.images:
        if path.stem in seen:
            raise UsageError(
                f"{quoted(path)}: expected names of their own, got the same depth file as for "
                f"{quoted(seen[path.stem])}; predict them into different --out folders"
            )
        if not path.is_file():
            raise UsageError(f"{quoted(path)}: expected a picture, got no such file; check the path")
        seen[path.stem] = path
    estimator = _estimator(options)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{quoted(options.out)}: expected a folder to write to, got {error.strerror}; give "
            f"another"
        ) from error
    for path in options.images:
        maps = estimator(torch.from_numpy(read_rgb(path))[None].to(estimator.device))
        check_finite(maps.finite.cpu(), [str(path)])
        codes, meaning = _codes16(maps.depth, estimator)
        depth = maps.depth[0].cpu().numpy()
        grey, colour = (options.out / f"{path.stem}.{part}.png" for part in ("depth", "colour"))
        write_png(grey, codes)
        write_png(colour, coloured(depth if estimator.kind == "inverse" else -depth))
        print(f"{quoted(grey)}: {meaning}")


def _codes16(depth: object, estimator: DepthEstimator) -> tuple[np.ndarray, str]:
    import numpy as np
    import torch

    from evafast.depth.encoding import encode

    assert isinstance(depth, torch.Tensor)
    if estimator.metres_per_unit is not None:
        codes = encode(depth, "metric16", estimator.metres_per_unit).codes[0].cpu().numpy()
        return codes, "millimetres"
    values = depth[0].cpu().numpy().astype(np.float64)
    if estimator.kind == "relative":
        return np.floor(values * 65535 + 0.5).astype(np.uint16), "relative depth x 65535"
    low, high = values.min(), values.max()
    codes = np.floor((values - low) / ((high - low) or 1.0) * 65535 + 0.5).astype(np.uint16)
    return codes, f"inverse depth, 0..65535 is {low:.6g}..{high:.6g}"


def _evaluate(options: argparse.Namespace) -> None:
    from evafast.depth.evaluation import evaluate

    if not options.folder.is_dir():
        raise UsageError(f"{quoted(options.folder)}: expected a folder, got none; check the path")
    estimator = _estimator(options)
    errors = evaluate(
        estimator,
        options.folder,
        crop=options.crop == "eigen",
        mirrored=not options.no_mirror,
    )
    print(f"{len(errors)} images")
    for name, metrics in (("pooled", errors.pooled()), ("per image", errors.per_image())):
        figures = "  ".join(
            f"{key} {value:.4f}" for key, value in asdict(metrics).items() if key != "pixels"
        )
        print(f"{name:<10} {figures}  pixels {metrics.pixels}")


if __name__ == "__main__":
    sys.exit(main())
