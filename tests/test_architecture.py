"""The house rules that a machine can check: who imports whom, file sizes, fast import."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "evafast").rglob("*.py"))

# The flow, from the ground up: a package may import those before it, never those after it.
FLOW = [
    {"errors", "system", "builtin"},
    {"sampling", "assets"},
    {"compositing", "depth"},
    {"pipeline"},
    {"dataset"},
    {"writing"},
    {"inspection", "export"},
    {"generate", "inspect"},
]
LEVEL = {name: level for level, names in enumerate(FLOW) for name in names}
# Lazy doors upward: a convenience that fetches what lies above when it is called.
DOORS: set[tuple[str, str]] = set()


def imports(path, *, typing=False):
    """Yield the modules that a file imports, those for type checkers only on request."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not typing:
            skipped |= {id(inner) for child in node.body for inner in ast.walk(child)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def package(path):
    return path.relative_to(ROOT / "evafast").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows_point_down_the_flow(path):
    here = package(path)
    if here == "__init__":
        return
    for module in imports(path):
        if module.split(".")[0] in ("training", "benchmarks", "tests"):
            pytest.fail(f"{path.name} imports {module}")
        if module.startswith("evafast."):
            there = module.split(".")[1]
            if there != here and (here, there) not in DOORS:
                assert LEVEL[there] <= LEVEL[here], f"{path.name} imports {module}"


def test_backends_never_import_each_other_and_alone_name_cuda_libraries():
    from evafast.compositing.backends import _MODULES as modules

    backends = ROOT / "evafast" / "compositing" / "backends"
    for path in SOURCES:
        for module in imports(path, typing=True):
            if re.match(r"cupy|numba\.cuda|cuda\b", module):
                assert path.parent == backends, f"{path} imports {module}"
            if path.parent == backends and path.name != "__init__.py":
                assert module not in modules.values(), f"{path} imports {module}"


def test_every_file_stays_readable():
    for folder in ("evafast", "training", "benchmarks", "tests"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".cu", ".h", ".cpp", ".html"):
                assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path


def test_no_machine_path_is_committed():
    home = re.compile(r"(?<![\w.])/(?:home|root|Users|work)/[a-z]")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout
    for name in listed.splitlines():
        path = ROOT / name
        if path.suffix in (".py", ".md", ".toml", ".json", ".cu", ".sh", ".txt") and path.is_file():
            found = home.search(path.read_text(encoding="utf-8"))
            assert not found, f"{name}: {found and found.group()}"


def test_import_is_fast_and_help_needs_no_torch():
    code = (
        "import sys\n"
        "import evafast\n"
        "heavy = {'torch', 'numba', 'cupy', 'cv2', 'numpy', 'h5py'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    code = (
        "import sys\n"
        "from evafast.generate import parse\n"
        "parse([])\n"
        "heavy = {'torch', 'cupy', 'h5py'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_public_names_are_all_there():
    import evafast

    for name in evafast.__all__:
        assert getattr(evafast, name) is not None
        assert name in dir(evafast)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = evafast.nothing
