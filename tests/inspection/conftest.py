"""One finished dataset in every layout."""

from __future__ import annotations

import pytest
from commands import LAYOUTS, run


@pytest.fixture(scope="module")
def stored(folders, tmp_path_factory):
    """A folder with a finished dataset for each layout, by name."""
    root = tmp_path_factory.mktemp("sets")
    for layout in LAYOUTS:
        assert run(folders, root / layout, "--layout", layout) == 0
    return root
