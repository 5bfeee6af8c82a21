"""A figure's caption in JupyterLab, read from where the book reads it: the cell's own metadata.

JupyterLab says which cell it runs, and the server which notebook; so a figure can find its caption
and its number, and the text stands in one place only. Elsewhere (a test, the book, Colab) nothing
is found, and nothing is shown: the book writes captions itself.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

from vqvae_lib.course.derivation import escape
from vqvae_lib.course.words import _

__all__ = ["find_caption"]

CHAPTER = re.compile(r"(\d\d)_\w+\.ipynb")
# {numref}`fig-01-pca`, {eq}`eq-plane-loss`: the words of the label, where numbers are not known.
REFERENCE = re.compile(r"\{[\w:]+\}`[a-z]+-(?:\d\d-)?([a-z0-9-]+)`")


def find_caption() -> str:
    """Give the caption of the cell that runs, as HTML; empty where it cannot be known."""
    cell = _running_cell()
    path = Path(os.environ.get("JPY_SESSION_NAME", ""))
    if not cell or not path.name:
        return ""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        figures = [(c["id"], _figure_of(c)) for c in notebook["cells"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""
    named = [(name, figure) for name, figure in figures if figure.get("caption")]
    for number, (name, figure) in enumerate(named, start=1):
        if name == cell:
            chapter = CHAPTER.fullmatch(path.name)
            label = f"{int(chapter[1])}.{number}" if chapter else str(number)
            words = REFERENCE.sub(lambda m: m[1].replace("-", " "), figure["caption"])
            title = _("Fig. {number}").format(number=label)
            return f'<p class="vq-caption"><b>{title}</b> {escape(words)}</p>'
    return ""


def _figure_of(cell: dict[str, Any]) -> dict[str, Any]:
    return cell.get("metadata", {}).get("mystnb", {}).get("figure", {})


def _running_cell() -> str:
    """Id of the cell that JupyterLab asked the kernel to run."""
    try:
        from IPython import get_ipython

        parent = get_ipython().kernel.get_parent()
        return str(parent.get("metadata", {}).get("cellId", ""))
    except (ImportError, AttributeError):  # no kernel
        return ""
