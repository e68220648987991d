"""The tensors a compositor writes: shapes, allocation, and the check of a caller's own."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from evafast.errors import UsageError

LAYOUTS = ("nhwc", "nchw")
NETWORK_DTYPES = (torch.bfloat16, torch.float16, torch.float32)


@dataclass(frozen=True)
class Composite:
    """A batch of composites and their masks.

    Attributes
    ----------
    image : torch.Tensor of uint8, shape (n, canvas, canvas, 3), or (n, 3, canvas, canvas)
        RGB, 0..255; the second shape with layout ``nchw``.
    mask : torch.Tensor of uint8, shape (n, canvas, canvas)
        Coverage 0..255 (``matte``), or 0 and 255 (``binary``).
    network_input : torch.Tensor of float, shape (n, 3, canvas, canvas), or None
        ``image / 255`` in [0, 1], channels last in memory: what a depth network takes. None
        unless the compositor was made with `network_input`.
    """

    image: torch.Tensor
    mask: torch.Tensor
    network_input: torch.Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class OutputFormat:
    """What the outputs of one compositor look like.

    Attributes
    ----------
    canvas : int
        Side in pixels.
    layout : {'nhwc', 'nchw'}
        Of the images.
    network_input : torch.dtype or None
        bfloat16, float16 or float32; None for no network input.
    device : torch.device
        Where the tensors live.

    Raises
    ------
    UsageError
        When the layout or the dtype is unknown.
    """

    canvas: int
    layout: str
    network_input: torch.dtype | None
    device: torch.device

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise UsageError(
                f"layout: expected {' or '.join(LAYOUTS)}, got {self.layout!r}; choose one"
            )
        if self.network_input is not None and self.network_input not in NETWORK_DTYPES:
            expected = ", ".join(str(d) for d in NETWORK_DTYPES)
            raise UsageError(
                f"network_input: expected None or one of {expected}, got {self.network_input!r}; "
                "choose one"
            )

    def image_shape(self, count: int) -> tuple[int, ...]:
        """Shape of `Composite.image` for a batch of `count`."""
        side = self.canvas
        return (count, 3, side, side) if self.layout == "nchw" else (count, side, side, 3)

    def allocate(self, count: int, *, pin_memory: bool) -> Composite:
        """Return uninitialized outputs for a batch of `count`."""
        side = self.canvas
        pin = pin_memory and self.device.type == "cpu" and torch.cuda.is_available()

        def empty(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
            return torch.empty(shape, dtype=dtype, device=self.device, pin_memory=pin)

        network = None
        if self.network_input is not None:
            network = empty((count, side, side, 3), self.network_input).permute(0, 3, 1, 2)
        return Composite(
            empty(self.image_shape(count), torch.uint8),
            empty((count, side, side), torch.uint8),
            network,
        )

    def check(self, out: Composite, count: int) -> None:
        """Refuse outputs that a backend could not write as they are.

        Raises
        ------
        UsageError
            Naming the tensor, what was expected and what it is.
        """
        side = self.canvas
        self._check("out.image", out.image, self.image_shape(count), torch.uint8)
        self._check("out.mask", out.mask, (count, side, side), torch.uint8)
        network = out.network_input
        if (network is None) != (self.network_input is None):
            raise UsageError(
                f"out.network_input: expected {self.network_input}, got "
                f"{None if network is None else network.dtype}; use Compositor.allocate, or make "
                "the compositor with the network_input of that dtype"
            )
        if network is not None and self.network_input is not None:
            self._check(
                "out.network_input",
                network,
                (count, 3, side, side),
                self.network_input,
                channels_last=True,
            )

    def _check(
        self,
        name: str,
        tensor: torch.Tensor,
        shape: tuple[int, ...],
        dtype: torch.dtype,
        *,
        channels_last: bool = False,
    ) -> None:
        fits = tuple(tensor.shape) == shape
        if fits:
            memory = tensor.permute(0, 2, 3, 1) if channels_last else tensor
            fits = memory.is_contiguous()
        if not fits or tensor.dtype != dtype or tensor.device != self.device:
            order = "channels_last" if channels_last else "contiguous"
            raise UsageError(
                f"{name}: expected {order} {dtype} of shape {shape} on {self.device}, got "
                f"{tensor.dtype} of shape {tuple(tensor.shape)} with strides {tensor.stride()} on "
                f"{tensor.device}; use Compositor.allocate"
            )


def write_network_input(image: torch.Tensor, layout: str, network_input: torch.Tensor) -> None:
    """Define the network's input: ``float32(image) / 255``, rounded once to its dtype.

    Parameters
    ----------
    image : torch.Tensor of uint8
        In the layout given.
    layout : {'nhwc', 'nchw'}
        Of `image`.
    network_input : torch.Tensor of float, shape (n, 3, canvas, canvas)
        Written in place.
    """
    planes = image if layout == "nchw" else image.permute(0, 3, 1, 2)
    network_input.copy_(planes.to(torch.float32).div_(255))
