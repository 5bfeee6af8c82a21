"""A progress bar for training: one line on a terminal or in a notebook, or nothing at all."""

from __future__ import annotations

import html
import os
import sys
from typing import Any

from tqdm import tqdm

__all__ = ["ProgressBar"]


class ProgressBar:
    """Counts the epochs of a training run and shows their losses.

    A terminal keeps the finished line. In a notebook, where stderr would be a coloured block below
    the cell, it is a quiet line of its own, which vanishes when the run ends.

    Parameters
    ----------
    visible
        Whether to show it. None: on a terminal or in a notebook. VQVAE_PROGRESS=0 in the
        environment hides it in any case.
    epochs
        Length of the run.
    start
        Epochs that an earlier part of the run has completed.
    """

    def __init__(self, visible: bool | None, epochs: int, start: int) -> None:
        in_notebook = _in_notebook() and not sys.stderr.isatty()
        self._bar = tqdm(
            total=epochs,
            initial=start,
            unit="epoch",
            file=_NotebookLine() if in_notebook else sys.stderr,
            leave=not in_notebook,
            dynamic_ncols=not in_notebook,
            ncols=88 if in_notebook else None,
            disable=not _is_visible(visible),
        )

    def advance(self, train: dict[str, float], valid: dict[str, float]) -> None:
        """Count one more epoch, whose mean terms of the loss are given."""
        losses = {"loss": train["loss"]} | ({"valid": valid["loss"]} if valid else {})
        self._bar.set_postfix({k: f"{loss:.4g}" for k, loss in losses.items()}, refresh=False)
        self._bar.update()

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()


class _NotebookLine:
    """What tqdm takes for a terminal: the display of a cell, written anew each time."""

    def __init__(self) -> None:
        self._handle: Any = None

    def write(self, text: str) -> None:
        from IPython.display import display

        line = html.escape(text.strip())
        bundle = {"text/plain": line, "text/html": f"<small>{line}</small>" if line else ""}
        if self._handle is not None:
            self._handle.update(bundle, raw=True)
        elif line:
            self._handle = display(bundle, raw=True, display_id=True)

    def flush(self) -> None:
        """Nothing waits to be written."""


def _is_visible(visible: bool | None) -> bool:
    if os.environ.get("VQVAE_PROGRESS") == "0":
        return False
    return visible if visible is not None else sys.stderr.isatty() or _in_notebook()


def _in_notebook() -> bool:
    # Jupyter's stderr is not a terminal, yet shows a bar well. Its kernel has loaded IPython.
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
