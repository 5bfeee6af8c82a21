"""Images with holes: how to score what was filled in, and a baseline that needs no model.

A mask says which pixels were observed. Scores look at the hidden pixels alone, since the others are
known and cost nothing to get right.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vqvae_lib._checks import check_count, check_tensor, raise_if_any

__all__ = ["check_mask", "energy_score", "hidden_rmse", "neighbour_fills"]


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
    observed = check_mask(x, observed)
    check_tensor("x_train", x_train, ("N", x.shape[1]), like=x)
    neighbours = check_count("neighbours", neighbours, most=len(x_train))
    visible, weight = torch.where(observed, x, 0.0), observed.to(x.dtype)
    # Squared distances over observed pixels, x² - 2 x t + t², each term a matrix product.
    distances = (
        visible.square().sum(1, keepdim=True)
        - 2 * visible @ x_train.T
        + weight @ x_train.square().T
    )  # (B, D) x (D, N) -> (B, N)
    nearest = distances.topk(neighbours, largest=False).indices  # (B, neighbours)
    return torch.where(observed, x, x_train[nearest.T])  # (neighbours, B, D)


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
    hidden = _find_hidden(x, observed)
    check_tensor("fill", fill, tuple(x.shape))
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
    hidden = _find_hidden(x, observed)
    check_tensor("draws", draws, ("S", *x.shape), least=2)
    errors = torch.where(hidden, draws - x, 0.0).transpose(0, 1)  # (S, B, D) -> (B, S, D)
    distance_to_truth = errors.norm(dim=-1).mean(1)  # (B,)
    pairs = len(draws) * (len(draws) - 1)
    distance_of_draws = torch.cdist(errors, errors).sum((1, 2)) / pairs  # (B,)
    return distance_to_truth - 0.5 * distance_of_draws


def check_mask(x: Tensor, observed: Tensor) -> Tensor:
    """Return the mask of each image, (B, D); ValueError if it does not fit."""
    x = check_tensor("x", x, ("B", "D"), least=1)
    one_for_all = isinstance(observed, Tensor) and observed.ndim == 1
    shape = tuple(x.shape[1:] if one_for_all else x.shape)
    observed = check_tensor("observed", observed, shape, dtype=torch.bool).expand(x.shape)
    raise_if_any("x", x, observed & ~x.isfinite(), "finite numbers where observed is True")
    return observed


def _find_hidden(x: Tensor, observed: Tensor) -> Tensor:
    hidden = ~check_mask(x, observed)  # (B, D)
    if not hidden.any(-1).all():
        raise ValueError("observed hides nothing in one of the images: expected a hole in each")
    return hidden
