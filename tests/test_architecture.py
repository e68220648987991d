"""Rules of the code base: who may import whom, file length, fast start, clean text."""

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A package imports only from the lines above its own, or from itself.
LEVELS = [
    {"evafast"},  # evafast/__init__.py: the version, and the public names, which load lazily
    {"errors"},
    {"system", "builtin"},
    {"sampling", "assets"},
    {"compositing", "depth"},
    {"pipeline"},
    {"dataset"},
    {"writing"},
    {"inspection"},
    {"generate", "inspect", "export", "__main__"},
]
LEVEL = {package: level for level, packages in enumerate(LEVELS) for package in packages}
BACKENDS = "evafast.compositing.backends"
FORMATS = "evafast.dataset.formats"
GPU_LIBRARIES = re.compile(r"(cupy|cuda|triton|numba_cuda|numba\.cuda)(\.|$)")
COMMANDS = ("generate", "inspect", "export", "depth")


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_of(path): path for path in sorted((ROOT / "evafast").rglob("*.py"))}


@cache
def imports(path, *, typing=False):
    """Return ``(module, name or None)`` of all imports in a file, function bodies included.

    Those under ``if TYPE_CHECKING`` only with `typing`.
    """
    found, nodes = [], [ast.parse(path.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        children = ast.iter_child_nodes(node)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not typing:
            children = node.orelse
        nodes.extend(children)
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            found += [(node.module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Call) and node.args:
            called, argument = ast.unparse(node.func), node.args[0]
            if called.endswith(("import_module", "find_spec")) and isinstance(
                argument, ast.Constant
            ):
                found.append((argument.value, None))
    return found


def resolve(module, name):
    """Return the module that an import loads; packages re-export some names lazily."""
    if f"{module}.{name}" in SOURCES:
        return f"{module}.{name}"
    if module in SOURCES and SOURCES[module].name == "__init__.py":
        for source, exported in imports(SOURCES[module], typing=True):
            if name and exported == name and source.startswith("evafast"):
                return resolve(source, name)
    return module


def loaded_by(module, *, typing=False):
    """Return the modules of evafast that a module imports."""
    found = {resolve(*pair) for pair in imports(SOURCES[module], typing=typing)}
    return {other for other in found if other.split(".")[0] == "evafast"}


def package(module):
    return module.split(".")[1] if "." in module else "evafast"


def test_imports_point_down_the_levels():
    wrong = [
        f"{module} imports {other}"
        for module in SOURCES
        for other in loaded_by(module)
        if package(module) != package(other) and LEVEL[package(other)] >= LEVEL[package(module)]
    ]
    assert not wrong, "\n".join(wrong)


def test_no_import_circles():
    """Imports for type checkers count too, but not the list of public names in ``evafast``."""
    graph = {module: loaded_by(module, typing=module != "evafast") for module in SOURCES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_the_package_does_not_import_training_benchmarks_or_tests():
    wrong = [
        f"{module} imports {other}"
        for module, path in SOURCES.items()
        for other, _ in imports(path, typing=True)
        if other.split(".")[0] in ("training", "benchmarks", "tests")
    ]
    assert not wrong, "\n".join(wrong)


def test_only_backends_name_gpu_libraries():
    wrong = [
        f"{module} imports {other}"
        for module, path in SOURCES.items()
        if not module.startswith(BACKENDS)
        for pair in imports(path, typing=True)
        if GPU_LIBRARIES.match(other := ".".join(filter(None, pair)))
    ]
    assert not wrong, "\n".join(wrong)


def test_backends_do_not_import_each_other():
    registry = ast.walk(ast.parse(SOURCES[BACKENDS].read_text(encoding="utf-8")))
    texts = {str(node.value).split(":")[0] for node in registry if isinstance(node, ast.Constant)}
    backends = texts & set(SOURCES)
    assert len(backends) > 1
    wrong = [
        f"{module} imports {other}"
        for module, path in SOURCES.items()
        if module.startswith(f"{BACKENDS}.")
        for other in {resolve(*pair) for pair in imports(path, typing=True)}
        if other in backends - {module}
    ]
    assert not wrong, "\n".join(wrong)


def test_only_the_registry_compares_layouts():
    compared = re.compile(r"""layout["']?\]?\s*[!=]=|[!=]=\s*[\w.]*layout\b""")
    wrong = [
        f"{module}: {line.strip()}"
        for module, path in SOURCES.items()
        if module != FORMATS
        for line in path.read_text(encoding="utf-8").splitlines()
        if compared.search(line)
    ]
    assert not wrong, "\n".join(wrong)


def test_files_have_at_most_400_lines():
    wrong = [
        f"{path.relative_to(ROOT)}: {lines} lines"
        for folder in ("evafast", "training", "benchmarks", "tests", "examples")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".cu", ".h", ".cpp", ".html")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    ]
    assert not wrong, "\n".join(wrong)


def test_no_machine_path_or_package_registry_is_committed():
    place = re.compile(
        r"(?<![\w.~}])/(?:home|root|Users|work|tmp)/\w"
        r"|(?:index[-_]url|find[-_]links|trusted[-_]host)[\s=\"':]+"
        r"(?!https://(?:pypi|download\.pytorch)\.org/)\w"
        r"|https?://[^\s/]*\.(?:internal|local|lan|corp)\b"
        r"|https?://(?:10|192\.168)\.[0-9]"
        r"|https?://[^\s\"')]*/(?:simple|artifactory|nexus|devpi)/"
    )
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    wrong = []
    for name in filter(None, listed.stdout.split("\0")):
        try:
            found = place.search((ROOT / name).read_text(encoding="utf-8"))
        except (UnicodeDecodeError, FileNotFoundError):  # images and weights; deleted files
            continue
        if found:
            wrong.append(f"{name}: {found.group()}")
    assert not wrong, "\n".join(wrong)


def test_no_test_file_imports_another():
    tests = sorted((ROOT / "tests").rglob("*.py"))
    names = {path.stem for path in tests if path.stem.startswith("test_")}
    wrong = [
        f"{path.relative_to(ROOT)} imports {'.'.join(filter(None, pair))}"
        for path in tests
        for pair in imports(path, typing=True)
        if names & {*pair[0].split("."), pair[1]}
    ]
    assert not wrong, "\n".join(wrong)


def run(code):
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_import_loads_no_library():
    run(
        "import sys, evafast\n"
        "libraries = {'numpy', 'torch', 'numba', 'cupy', 'cv2', 'PIL', 'h5py', 'tyro', 'tqdm'}\n"
        "assert not libraries & set(sys.modules), libraries & set(sys.modules)\n"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_does_not_load_torch(command):
    run(
        "import sys\n"
        "from evafast.__main__ import main\n"
        "try:\n"
        f"    code = main([{command!r}, '--help'])\n"
        "except SystemExit as stop:\n"
        "    code = stop.code\n"
        "assert not code, code\n"
        "libraries = {'torch', 'cupy', 'h5py', 'transformers'}\n"
        "assert not libraries & set(sys.modules), libraries & set(sys.modules)\n"
    )


def test_public_names_exist():
    import evafast

    for name in evafast.__all__:
        assert getattr(evafast, name) is not None
        assert name in dir(evafast)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = evafast.nothing
