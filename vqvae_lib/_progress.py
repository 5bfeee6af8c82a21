"""A progress bar for training: one line on stderr, or nothing at all."""

from __future__ import annotations

import os
import sys

from tqdm import tqdm

__all__ = ["ProgressBar"]


class ProgressBar:
    """Counts the epochs of a training run on stderr and shows their losses.

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
        self._bar = tqdm(
            total=epochs,
            initial=start,
            unit="epoch",
            file=sys.stderr,
            dynamic_ncols=True,
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


def _is_visible(visible: bool | None) -> bool:
    if os.environ.get("VQVAE_PROGRESS") == "0":
        return False
    return visible if visible is not None else sys.stderr.isatty() or _in_notebook()


def _in_notebook() -> bool:
    # Jupyter's stderr is not a terminal, yet shows a bar well. Its kernel has loaded IPython.
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
