"""Labels of a data set: whole numbers, one for each row."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from vqvae_lib._checks import LABELS, check_same_length, check_tensor

__all__ = ["check_labels"]


def check_labels(name: str, y: Any, x_name: str, x: Tensor) -> Tensor:
    """Return the labels of the rows x, int64; TypeError or ValueError, with what to do, else."""
    if y is None:
        raise TypeError(
            f"{name} is None: expected a whole number for each row of {x_name}; zeros, as "
            f"np.zeros({len(x)}, dtype=int), for data without labels"
        )
    y = check_tensor(name, y, ("N",), dtype=LABELS)
    check_same_length(name, y, x_name, x)
    return y
