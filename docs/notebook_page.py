"""MkDocs hook: the page quickstart.md is made from quickstart.ipynb, which is written by hand."""

import json
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the page."""
    cells = json.loads(Path(config.docs_dir, "quickstart.ipynb").read_text("utf-8"))["cells"]
    texts = ["".join(cell["source"]) for cell in cells]
    parts = [
        f"```python\n{text}\n```" if cell["cell_type"] == "code" else text
        for cell, text in zip(cells, texts, strict=True)
    ]
    parts.append("This page is also a [notebook](quickstart.ipynb).")
    files.append(File.generated(config, "quickstart.md", content="\n\n".join(parts)))
    return files
