"""Placeholder until the CUDA kernels land."""


class Backend:
    """Not there yet."""

    device_type = "cuda"

    @staticmethod
    def why_unavailable() -> str | None:
        """Say why."""
        return "not built yet"
