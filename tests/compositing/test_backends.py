"""The registry, the choice of a backend, and what is said when a CUDA backend cannot run."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from evafast import Compositor, Recipe, UsageError
from evafast.compositing import choose_backend, cuda, pixel
from evafast.compositing.backends import BACKENDS, cupy_cuda, load, numba_cuda

CUDA = {"cupy": cupy_cuda, "numba-cuda": numba_cuda}


class Backend:
    """A backend from outside the package, registered below: the pixel rule in NumPy."""

    device_type = "cpu"

    def __init__(self, bank, device, *, binary, parallel=True):
        self.bank, self.binary = bank, binary

    @staticmethod
    def why_unavailable():
        return None

    def composite(self, placements, image, mask):
        image, mask = image.numpy(), mask.numpy()
        mask[:] = 0
        for row, which in enumerate(placements.foreground):
            rgba = self.bank.foreground(which).astype(np.int32)
            left, top = placements.left[row], placements.top[row]
            box = np.s_[top : top + rgba.shape[0], left : left + rgba.shape[1]]
            image[row] = self.bank.backgrounds[placements.background[row]]
            below = image[row][box].astype(np.int32)
            image[row][box] = pixel.over(rgba[..., 3:], rgba[..., :3], below)
            mask[row][box] = pixel.binary(rgba[..., 3]) if self.binary else rgba[..., 3]


@pytest.mark.parametrize("mask", ["matte", "binary"])
def test_a_backend_from_outside_is_one_registry_line(bank, mask, monkeypatch):
    monkeypatch.setitem(BACKENDS, "numpy", __name__)
    placements = Recipe.for_bank(bank, placements=4)[:]
    compositor = Compositor(bank, backend="numpy", mask=mask)
    assert isinstance(compositor._backend, Backend)
    assert compositor.choice.reason == "numpy on cpu"
    made = compositor(placements)
    expected = Compositor(bank, backend="pillow", mask=mask)(placements)
    assert torch.equal(made.image, expected.image)
    assert torch.equal(made.mask, expected.mask)
    assert "numpy" not in choose_backend("auto", "cpu").reason, "auto takes only evafast's own"


@pytest.fixture
def device_there(monkeypatch):
    """Torch as it looks with one GPU under CUDA 12.8."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.version, "cuda", "12.8")


@pytest.fixture
def no_device(monkeypatch):
    """Torch as it looks without a GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize("name", CUDA)
def test_missing_package_names_the_pip_line(name, device_there, monkeypatch):
    monkeypatch.setattr(cuda, "find_spec", lambda _: None)
    why = load(name).why_unavailable()
    assert why == f'{name} is not installed; pip install "evafast[cuda12]"'
    with pytest.raises(
        UsageError, match=r'not installed; pip install "evafast\[cuda12\]"'
    ) as error:
        choose_backend(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("version", "extra"),
    [("13.0", "cuda13"), ("12.4", "cuda12"), (None, "cuda13"), ("14.1", "cuda13")],
)
def test_pip_line_follows_torch(version, extra, monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", version)
    assert cuda.pip_line() == f'pip install "evafast[{extra}]"'


@pytest.mark.parametrize("name", CUDA)
def test_no_device_and_no_package_names_both(name, no_device, monkeypatch):
    monkeypatch.setattr(cuda, "find_spec", lambda _: None)
    monkeypatch.setattr(torch.version, "cuda", None)
    why = load(name).why_unavailable()
    assert why.endswith('; install a CUDA build of torch, then pip install "evafast[cuda13]"')


@pytest.mark.parametrize("name", CUDA)
def test_explicit_backend_never_falls_back(name, no_device):
    expected = f"expected {name} on auto, got none that can run: {name}: "
    with pytest.raises(UsageError, match=expected):
        choose_backend(name)


@pytest.mark.parametrize("version", [None, "13.0"])
def test_auto_says_once_why_not_the_others(version, no_device, monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", version)
    choice = choose_backend()
    assert choice.backend == "numba"
    assert choice.device == torch.device("cpu")
    assert choice.reason.startswith("numba on cpu (not cupy and numba-cuda: torch ")
    assert ("without CUDA" if version is None else "sees no CUDA device") in choice.reason
    assert "\n" not in choice.reason


def test_auto_on_an_explicit_cpu():
    assert choose_backend("auto", "cpu").reason == (
        "numba on cpu (not cupy and numba-cuda: the device is cpu)"
    )


def test_auto_takes_cupy_then_numba_cuda(device_there, monkeypatch):
    monkeypatch.setattr(numba_cuda.Backend, "why_unavailable", lambda: None)
    monkeypatch.setattr(cupy_cuda.Backend, "why_unavailable", lambda: "no CuPy")
    assert choose_backend().reason == "numba-cuda on cuda:0 (not cupy: no CuPy)"
    monkeypatch.setattr(cupy_cuda.Backend, "why_unavailable", lambda: None)
    assert choose_backend().reason == "cupy on cuda:0"
    assert choose_backend("auto", "cuda").backend == "cupy"


def test_auto_on_an_explicit_gpu_never_means_the_cpu(device_there, monkeypatch):
    for module in CUDA.values():
        monkeypatch.setattr(module.Backend, "why_unavailable", lambda: "it is broken")
    with pytest.raises(
        UsageError, match="cupy and numba-cuda: it is broken; not numba: the device"
    ):
        choose_backend("auto", "cuda")


@pytest.mark.parametrize("name", CUDA)
def test_cuda_device_that_does_not_exist(name, no_device):
    with pytest.raises(UsageError, match=r"device: expected cuda:3, got 0 CUDA devices"):
        choose_backend(name, "cuda:3")


def test_old_device_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (5, 2))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Old One")
    with pytest.raises(UsageError, match=r"compute capability 6\.1 or newer, got 5\.2 \(Old One\)"):
        cupy_cuda.Backend(None, torch.device("cuda", 0), binary=False)


def test_a_broken_installation_is_one_line(device_there, monkeypatch):
    broken = type(sys)("cupy")

    def fail(name):
        raise RuntimeError("libnvrtc.so.13:\ncannot open shared object file")

    broken.__getattr__ = fail
    monkeypatch.setitem(sys.modules, "cupy", broken)
    monkeypatch.setattr(cuda, "find_spec", lambda _: broken)
    why = cupy_cuda.Backend.why_unavailable()
    assert why.startswith("cupy does not work here (RuntimeError 'libnvrtc.so.13: cannot open")
    assert why.endswith('pip install "evafast[cuda12]"')


def test_choosing_imports_neither_cupy_nor_numba_cuda_without_a_device():
    code = (
        "import sys, torch; torch.cuda.is_available = lambda: False\n"
        "from evafast.compositing import choose_backend; choose_backend()\n"
        "print([m for m in ('cupy', 'numba.cuda') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
