"""The chapters' cells run on MNIST too, where VQVAE_DATA_DIR holds it."""

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
DATA = os.environ.get("VQVAE_DATA_DIR")
CHAPTERS = [
    path
    for path in sorted((ROOT / "chapters").glob("*.ipynb"))
    if "load_digits()  # or vq.load_mnist(" in path.read_text(encoding="utf-8")
]


@pytest.mark.skipif(not DATA, reason="VQVAE_DATA_DIR is not set")
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_runs_on_mnist(path):
    """On fewer images than the chapter names: what it asserts of all data holds here too."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = re.sub(
            r"vq\.load_digits\(\)  # or .*",
            "vq.load_mnist(train_size=800, test_size=200)",
            cell.source,
        )
    environment = dict(os.environ, VQVAE_PROGRESS="0")
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute(env=environment)
    shown = str([cell.outputs for cell in notebook.cells if cell.cell_type == "code"])
    assert "mnist" in shown
    assert "28x28" in shown
