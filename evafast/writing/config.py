"""GenerateConfig: every option of ``evafast generate``, with its default and its help."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from evafast.assets.preprocess import AssetConfig
from evafast.compositing.pixel import MASKS
from evafast.dataset.codec import Codec
from evafast.dataset.formats import FORMATS
from evafast.errors import UsageError, check_choice, check_range, check_seed

DEPTH_ENCODINGS = ("minmax8", "metric16")


@dataclass(frozen=True, kw_only=True)
class GenerateConfig:
    """Options of ``evafast generate``.

    Attributes
    ----------
    backgrounds : Path or None
        Folder of background images (default: the built-in pack).
    foregrounds : Path or None
        Folder of foreground images with alpha.
    out : str
        Output folder or fsspec address (s3://...).
    device : str
        auto, cpu, cuda or cuda:N.
    backend : str
        auto, cupy, numba-cuda, numba or pillow.
    placements : int
        Positions per pair of background and foreground.
    seed : int
        Seed of positions and order, 0 to 2**64-1.
    limit : int or None
        Write only the first N samples of the shuffled order.
    layout : str
        How samples are stored: webdataset, folder or zip.
    mask : str
        matte (coverage 0..255) or binary (0 and 255).
    depth : str
        compact (built in), nyu, kitti, a weights file, hf:ID or none.
    depth_encoding : str
        minmax8 (8 bits per image) or metric16 (millimetres).
    depth_input : int
        Side in pixels of the depth network's input.
    precision : str
        Precision of the depth network: auto, fp32, bf16 or fp16.
    compile : bool
        Use torch.compile on the depth network; worth it on long runs.
    batch_size : int or None
        Samples per batch (default: depends on the device).
    workers : int
        Number of encoder threads; 0 means one per core.
    samples_per_shard : int
        Samples per shard: the unit of writing and resuming.
    quiet : bool
        Print errors only.
    """

    backgrounds: Path | None = None
    foregrounds: Path | None = None
    out: str = "evafast-data"
    device: str = "auto"
    backend: str = "auto"
    placements: int = 20
    seed: int = 0
    limit: int | None = None
    layout: str = "webdataset"
    mask: str = "matte"
    depth: str = "compact"
    depth_encoding: str = "minmax8"
    depth_input: int = 224
    precision: str = "auto"
    compile: bool = False
    batch_size: int | None = None
    workers: int = 0
    samples_per_shard: int = 4000
    quiet: bool = False
    assets: AssetConfig = field(default_factory=AssetConfig)
    codec: Codec = field(default_factory=Codec)

    def __post_init__(self) -> None:
        if (self.backgrounds is None) != (self.foregrounds is None):
            raise UsageError(
                "backgrounds, foregrounds: expected both folders or neither, got one; give the "
                "other, or none for the built-in pack"
            )
        check_choice("layout", self.layout, FORMATS)
        check_choice("mask", self.mask, MASKS)
        check_choice("depth encoding", self.depth_encoding, DEPTH_ENCODINGS)
        check_range("placements", self.placements, 1)
        check_range("samples per shard", self.samples_per_shard, 1)
        check_range("workers", self.workers, 0)
        check_range("limit", 1 if self.limit is None else self.limit, 1)
        check_range("batch size", 1 if self.batch_size is None else self.batch_size, 1)
        check_range("depth input", self.depth_input, 32)
        check_seed(self.seed)

    def batch_size_on(self, device_type: str) -> int:
        """Return the batch size as given, or one that suits the device.

        A network on the CPU takes seconds per batch where a kernel takes milliseconds, so its
        batches are small: progress shows, and an interrupt takes effect soon.
        """
        if self.batch_size is not None:
            return self.batch_size
        if device_type == "cuda":
            return 1000
        return 250 if self.depth == "none" else 48
