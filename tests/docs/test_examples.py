"""Every file of examples/ runs as it is, on a small dataset."""

import runpy
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from commands import run

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))
NEEDS = {
    "huggingface_datasets": "datasets",
    "lightning_module": "lightning",
    "webdataset_loader": "webdataset",
}


@pytest.fixture(scope="module")
def dataset(folders, tmp_path_factory):
    out = tmp_path_factory.mktemp("examples") / "dataset"
    assert run(folders, out, "--quiet") == 0
    return out


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_it_runs(example, dataset, tmp_path, monkeypatch, capsys):
    library = NEEDS.get(example.stem)
    if library and find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [example.name, str(dataset)])
    runpy.run_path(str(example), run_name="__main__")
    assert capsys.readouterr().out
