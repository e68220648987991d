"""What is said when a CUDA backend cannot run; played on machines without a GPU."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from evafast import UsageError
from evafast.compositing import choose_backend
from evafast.compositing.backends import cupy_cuda, load, numba_cuda
from evafast.compositing.cuda_device import check_capability, pip_line

CUDA = {"cupy": cupy_cuda, "numba-cuda": numba_cuda}


@pytest.fixture
def device_there(monkeypatch):
    """Torch as it looks with one GPU under CUDA 12.8."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.version, "cuda", "12.8")


@pytest.fixture
def no_device(monkeypatch):
    """Torch as it looks without a GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize("name", CUDA)
def test_missing_package_names_the_pip_line(name, device_there, monkeypatch):
    monkeypatch.setattr(CUDA[name], "find_spec", lambda _: None)
    why = load(name).why_unavailable()
    assert "is not installed" in why
    assert why.endswith('pip install "evafast[cuda12]"')
    with pytest.raises(UsageError, match=r'not installed; pip install "evafast\[cuda12\]"') as told:
        choose_backend(name)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("version", "extra"),
    [("13.0", "cuda13"), ("12.4", "cuda12"), (None, "cuda13"), ("14.1", "cuda13")],
)
def test_pip_line_follows_torch(version, extra, monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", version)
    assert pip_line() == f'pip install "evafast[{extra}]"'


@pytest.mark.parametrize("name", CUDA)
def test_no_device_and_no_package_names_both(name, no_device, monkeypatch):
    monkeypatch.setattr(CUDA[name], "find_spec", lambda _: None)
    monkeypatch.setattr(torch.version, "cuda", None)
    why = load(name).why_unavailable()
    assert why.endswith('; install a CUDA build of torch, then pip install "evafast[cuda13]"')


@pytest.mark.parametrize("name", CUDA)
def test_explicit_backend_never_falls_back(name, no_device):
    with pytest.raises(UsageError, match=f"expected {name} on auto, got none that can run: {name}: "):
        choose_backend(name)


@pytest.mark.parametrize("cuda", [None, "13.0"])
def test_auto_says_why_not_the_others_once(cuda, no_device, monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", cuda)
    choice = choose_backend()
    assert choice.backend == "numba"
    assert choice.device == torch.device("cpu")
    assert choice.reason.startswith("numba on cpu (not cupy and numba-cuda: torch ")
    assert ("without CUDA" if cuda is None else "sees no CUDA device") in choice.reason
    assert "\n" not in choice.reason


def test_auto_on_cpu_when_the_device_is_asked_for():
    assert choose_backend("auto", "cpu").reason == (
        "numba on cpu (not cupy and numba-cuda: the device is cpu)"
    )


def test_auto_takes_cupy_then_numba_cuda(device_there, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(numba_cuda.Backend, "why_unavailable", staticmethod(lambda: None))
    monkeypatch.setattr(cupy_cuda.Backend, "why_unavailable", staticmethod(lambda: "no CuPy"))
    assert choose_backend().reason == "numba-cuda on cuda:0 (not cupy: no CuPy)"
    monkeypatch.setattr(cupy_cuda.Backend, "why_unavailable", staticmethod(lambda: None))
    assert choose_backend().reason == "cupy on cuda:0"
    assert choose_backend("auto", "cuda").backend == "cupy"


@pytest.mark.parametrize("name", CUDA)
def test_cuda_device_that_is_not_there(name, no_device):
    with pytest.raises(UsageError, match=r"device: expected cuda:3, got 0 CUDA devices"):
        choose_backend(name, "cuda:3")


def test_old_device_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (5, 2))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Old One")
    with pytest.raises(UsageError, match=r"compute capability 6\.1 or newer, got 5\.2 \(Old One\)"):
        check_capability("cupy", torch.device("cuda", 0))


def test_a_broken_installation_is_one_line(device_there, monkeypatch):
    broken = type(sys)("cupy")

    def fail(name):
        raise RuntimeError("libnvrtc.so.13:\ncannot open shared object file")

    broken.__getattr__ = fail
    monkeypatch.setitem(sys.modules, "cupy", broken)
    monkeypatch.setattr(cupy_cuda, "find_spec", lambda _: broken)
    cupy_cuda._why_cupy_fails.cache_clear()
    try:
        why = cupy_cuda.Backend.why_unavailable()
    finally:
        cupy_cuda._why_cupy_fails.cache_clear()
    assert why.startswith("CuPy does not work here (RuntimeError 'libnvrtc.so.13: cannot open")
    assert why.endswith('pip install "evafast[cuda12]"')


def test_choosing_imports_neither_cupy_nor_numba_cuda_without_a_device():
    code = (
        "import sys, torch; torch.cuda.is_available = lambda: False\n"
        "from evafast.compositing import choose_backend; choose_backend()\n"
        "print([m for m in ('cupy', 'numba.cuda') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
