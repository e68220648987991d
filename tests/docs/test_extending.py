"""docs/extending.md: every extension is short, and runs from outside the package."""

import ast
import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
MODULE = re.compile(r'```python title="(\w+)\.py"\n(.*?)```\n\n```python\n(.*?)```', re.DOTALL)
EXTENSIONS = {name: (module, use) for name, module, use in MODULE.findall(PAGE)}
REGISTRIES = {
    "captioned_format": ("evafast.dataset.formats", "FORMATS"),
    "ground_depth": ("evafast.depth.models", "MODELS"),
    "numpy_backend": ("evafast.compositing.backends", "BACKENDS"),
    "erase": ("training.masks.augment", "AUGMENTATIONS"),
    "focal": ("training.masks.losses", "MASK_LOSSES"),
}


def lines_of_code(text):
    """Count lines without blank lines, comments, docstrings and imports."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
    tree.body = [n for n in tree.body if not isinstance(n, ast.Import | ast.ImportFrom)]
    return len(ast.unparse(tree).replace("\n\n", "\n").splitlines())


@pytest.fixture
def use(request, tmp_path, monkeypatch):
    """Return a function that saves an extension, runs its use and returns the variables."""

    def run(name):
        module, code = EXTENSIONS[name]
        if name in ("erase", "focal"):
            pytest.importorskip("kornia")
        owner, attribute = REGISTRIES[name]
        registry = getattr(importlib.import_module(owner), attribute)
        before = dict(registry)
        request.addfinalizer(lambda: (registry.clear(), registry.update(before)))
        (tmp_path / f"{name}.py").write_text(module)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.chdir(tmp_path)
        request.addfinalizer(lambda: sys.modules.pop(name, None))
        variables = {}
        exec(compile(code, f"use of {name}", "exec"), variables)
        assert len(registry) == len(before) + 1
        return variables

    return run


def test_every_extension_on_the_page_is_tested():
    assert set(EXTENSIONS) == set(REGISTRIES)
    assert PAGE.count("```python") == 2 * len(EXTENSIONS)


@pytest.mark.parametrize("name", EXTENSIONS)
def test_an_extension_is_under_twenty_lines(name):
    assert lines_of_code(EXTENSIONS[name][0]) < 20


def test_format(use, tmp_path):
    import webdataset

    from evafast.dataset.store import open_store
    from evafast.inspection.repair import RepairSources, repair
    from evafast.inspection.verify import verify

    use("captioned_format")
    shard = tmp_path / "captioned-data" / "shards" / "shard-000000.tar"
    samples = list(webdataset.WebDataset(str(shard), shardshuffle=False))
    assert len(samples) == 20
    assert all(b" on " in sample["txt"] for sample in samples)
    written = shard.read_bytes()
    shard.write_bytes(b"damaged")
    store = open_store(tmp_path / "captioned-data")
    repair(store, verify(store), RepairSources())
    assert shard.read_bytes() == written
    assert not verify(store).findings


def test_commands_know_a_format_once_its_module_is_imported(tmp_path):
    (tmp_path / "captioned_format.py").write_text(EXTENSIONS["captioned_format"][0])
    (command,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    words = [sys.executable, *shlex.split(command.replace("\\\n", ""))[1:]]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    subprocess.run(words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, check=True)
    assert (tmp_path / "captioned-data" / "manifest.json").exists()


def test_depth_model(use):
    depth = use("ground_depth")["batch"].depth
    assert (depth.diff(dim=2) < 0).all()
    assert depth.min() > 0


def test_backend(use):
    variables = use("numpy_backend")
    assert variables["made"].image.equal(variables["reference"].image)


def test_augmentation(use):
    views = use("erase")["views"]
    grey = (views.composite == 0.5).all(1).flatten(1).sum(1)
    assert (grey >= (112 // 4) ** 2).all()


def test_loss(use, capsys):
    use("focal")
    printed = capsys.readouterr().out
    assert "'focal'" in printed
    assert "'loss'" in printed
