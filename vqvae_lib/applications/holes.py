"""Images with holes: how to score what was filled in, and a baseline that needs no model.

A mask says which pixels were observed. Scores look at the hidden pixels alone, since the others are
known and cost nothing to get right.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vqvae_lib._checks import MOST, check_count, check_tensor, raise_if_any
from vqvae_lib.metrics.geometry import find_origin

__all__ = ["check_mask", "energy_score", "hidden_rmse", "neighbour_fills"]

_ROWS = 256  # compared with all training images at a time


def neighbour_fills(
    x: Tensor, observed: Tensor, x_train: Tensor, *, neighbours: int = 10
) -> Tensor:
    """Fill holes from the training images that agree best with the observed pixels.

    Parameters
    ----------
    x
        Images, shape (B, D). Hidden pixels may hold anything.
    observed
        Which pixels are seen, booleans, shape (B, D), or (D,) for all images alike.
    x_train
        Images to copy from, shape (N, D).
    neighbours
        Number of training images for each hole, 1 to N.

    Returns
    -------
    torch.Tensor
        Shape (neighbours, B, D), the nearest first, observed pixels unchanged. The average over the
        neighbours is the usual fill.

    Raises
    ------
    ValueError
        If shapes do not fit, an observed pixel is not finite, or `neighbours` is out of range.
    """
    x = check_tensor("x", x, ("B", "D"), least=1)
    observed = check_mask(x, observed)
    x_train = check_tensor("x_train", x_train, ("N", x.shape[1]), least=1, like=x, finite=True)
    neighbours = check_count("neighbours", neighbours, most=len(x_train))
    # Squared distances over observed pixels, x² - 2 x t + t², each term a matrix product. They are
    # measured from near the middle of the training images, or the digits of far ones would cancel;
    # images equally far remain so.
    origin = find_origin(x_train).to(x.device)  # (D,)
    t = x_train.double() - origin
    nearest = []
    for part, seen in zip(x.split(_ROWS), observed.split(_ROWS), strict=True):
        visible = torch.where(seen, part.double() - origin, 0.0)
        distances = (
            visible.square().sum(1, keepdim=True) - 2 * visible @ t.T + seen.double() @ t.square().T
        )  # (256, D) x (D, N) -> (256, N)
        nearest.append(distances.topk(neighbours, largest=False).indices)  # (256, neighbours)
    return torch.where(observed, x, x_train[torch.cat(nearest).T])  # (neighbours, B, D)


def hidden_rmse(x: Tensor, fill: Tensor, observed: Tensor) -> Tensor:
    """Root mean squared error over the hidden pixels of each image.

    Parameters
    ----------
    x
        The truth, shape (B, D).
    fill
        Completed images, shape (B, D).
    observed
        Which pixels were seen, booleans, shape (B, D) or (D,). Each image needs a hidden one.

    Returns
    -------
    torch.Tensor
        In units of x, shape (B,).

    Raises
    ------
    ValueError
        If shapes do not fit, or an image has no hidden pixel.
    """
    x, hidden = _find_hidden(x, observed)
    fill = check_tensor("fill", fill, tuple(x.shape), like=x)
    raise_if_any("fill", fill, hidden & ~fill.isfinite(), "finite numbers in the holes")
    squares = torch.where(hidden, (fill - x).square(), 0.0)  # (B, D)
    return (squares.sum(-1) / hidden.sum(-1)).sqrt()


def energy_score(x: Tensor, draws: Tensor, observed: Tensor) -> Tensor:
    """How well draws of the hidden pixels predict the truth as a whole; smaller is better.

    The average distance of a draw from the truth, minus half the average distance between two draws
    (Gneiting and Raftery 2007). In expectation nothing scores better than the true conditional
    distribution: a single sharp guess pays when it is wrong, and needless scatter pays as well. A
    root mean squared error, by contrast, judges the average fill alone.

    Parameters
    ----------
    x
        The truth, shape (B, D).
    draws
        Completed images, shape (S, B, D), S of at least 2.
    observed
        Which pixels were seen, booleans, shape (B, D) or (D,). Each image needs a hidden one.

    Returns
    -------
    torch.Tensor
        In units of x times the root of the number of hidden pixels, shape (B,).

    Raises
    ------
    ValueError
        If shapes do not fit, or an image has no hidden pixel.
    """
    x, hidden = _find_hidden(x, observed)
    draws = check_tensor("draws", draws, ("S", *x.shape), least=2, like=x)
    raise_if_any("draws", draws, hidden & ~draws.isfinite(), "finite numbers in the holes")
    if len(draws) ** 2 * len(x) > MOST:
        raise ValueError(
            f"draws has shape {tuple(draws.shape)}: expected fewer, since all pairs of the draws "
            "of an image are compared"
        )
    errors = torch.where(hidden, draws - x, 0.0).transpose(0, 1)  # (S, B, D) -> (B, S, D)
    distance_to_truth = errors.norm(dim=-1).mean(1)  # (B,)
    pairs = len(draws) * (len(draws) - 1)
    # Of differences: from products, the digits of two draws that are both far off would cancel.
    exact = "donot_use_mm_for_euclid_dist"
    distance_of_draws = torch.cdist(errors, errors, compute_mode=exact).sum((1, 2)) / pairs  # (B,)
    return distance_to_truth - 0.5 * distance_of_draws


def check_mask(x: Tensor, observed: Tensor) -> Tensor:
    """Return the mask of each image, (B, D); ValueError or TypeError if it does not fit."""
    x = check_tensor("x", x, ("B", "D"), least=1)
    observed = check_tensor("observed", observed, dtype=torch.bool)
    shape = tuple(x.shape[1:] if observed.ndim == 1 else x.shape)
    observed = check_tensor("observed", observed, shape, dtype=torch.bool).expand(x.shape)
    raise_if_any("x", x, observed & ~x.isfinite(), "finite numbers where observed is True")
    return observed


def _find_hidden(x: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
    """Return the truth and where it was hidden, (B, D) each."""
    x = check_tensor("x", x, ("B", "D"), least=1, finite=True)
    hidden = ~check_mask(x, observed)  # (B, D)
    if not hidden.any(-1).all():
        raise ValueError("observed hides nothing in one of the images: expected a hole in each")
    return x, hidden
