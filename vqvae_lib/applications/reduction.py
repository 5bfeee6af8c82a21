"""Dimensionality reduction and feature extraction with any trained model, scored beside PCA.

A *reducer* is anything with ``encode(x)``, from data (N, D) to codes (N, d); one that can go back
has ``decode(z)`` as well. `vqvae_lib.PCA` is one, `codes_of` makes one of a trained `VAE` or
`VQVAE`, `lda` fits one with labels, and `chain` puts one behind another: PCA before a model, or
LDA behind it. `score` holds all of them to the same measures.

The reduced data are the codes. What a decoder makes of them, the reconstruction, has D numbers
again; it says how much was lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from vqvae_lib._evaluating import evaluating
from vqvae_lib.bottlenecks import Scaled
from vqvae_lib.metrics import knn_accuracy, linear_probe_accuracy, mse, pca, trustworthiness
from vqvae_lib.vae import VAE

__all__ = ["Reducer", "Scores", "beside_pca", "chain", "codes_of", "lda", "score"]

Which = Literal["mu", "o"]
_ROWS = 1000  # encoded at a time


@dataclass(frozen=True)
class Reducer:
    """A way to codes, and where there is one a way back.

    Attributes
    ----------
    encode
        (N, D) -> (N, d).
    decode
        (N, d) -> (N, D), or None: a reduction that cannot be undone, even roughly.
    """

    encode: Callable[[Tensor], Tensor]
    decode: Callable[[Tensor], Tensor] | None = None


def codes_of(model: VAE, which: Which = "mu") -> Reducer:
    """Take a trained model as a reducer.

    Parameters
    ----------
    model
        A `VAE` or `VQVAE` that is not conditional. It is used in evaluation mode, without
        gradients, and given back with every part in the mode that it had.
    which
        "mu": the mean of q(z|x), d numbers. "o": what the bottleneck makes of it, m numbers; of a
        quantum bottleneck the expectation values themselves, between -1 and 1, before they are
        scaled. Without a bottleneck, "o" is "mu".

    Returns
    -------
    Reducer
        It can go back: ``decode`` gives the mean of p(x|z).

    Raises
    ------
    TypeError
        If `model` is no VAE.
    ValueError
        If it is conditional, or there is no such `which`.

    Notes
    -----
    o is a function of mu. So o holds nothing about x that mu does not hold; a classifier that is
    good enough reads no more from it. What can differ is how easily it is read: o is bounded, and
    codes far out are folded together.
    """
    if not isinstance(model, VAE):
        raise TypeError(f"model is a {type(model).__name__}: expected a VAE or VQVAE")
    if model.n_classes is not None or getattr(model, "condition_dim", None) is not None:
        raise ValueError(
            "model is conditional: expected one without labels, whose code alone says what x is"
        )
    if which not in get_args(Which):
        raise ValueError(f"which={which!r}: expected one of {get_args(Which)}")
    bottleneck = model.bottleneck
    scaled = bottleneck if isinstance(bottleneck, Scaled) else None

    def encode(x: Tensor) -> Tensor:
        mu = model.encode(x).mu  # (N, D) -> (N, d)
        if which == "mu":
            return mu
        return bottleneck(mu) if scaled is None else scaled.layer(mu)  # (N, m)

    def decode(z: Tensor) -> Tensor:
        if which == "mu":
            return model.likelihood.mean(model.decode(z))  # (N, d) -> (N, D)
        seen = z if scaled is None else scaled.scale * z  # (N, m)
        return model.likelihood.mean(model.decoder(seen))

    return Reducer(_quietly(model, encode), _quietly(model, decode))


def _quietly(model: VAE, function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Run a part of a model in evaluation mode, without gradients, some rows at a time."""

    def run(rows: Tensor) -> Tensor:
        with evaluating(model):
            return torch.cat([function(part) for part in rows.split(_ROWS)])

    return run


def lda(
    x: Tensor, y: Tensor, d: int, *, shrinkage: float | Literal["auto"] | None = None
) -> Reducer:
    """Linear discriminant analysis: the d directions that best tell labelled classes apart.

    It looks for directions in which classes differ much between them and little within (Fisher
    1936). So it is supervised, and with C classes there are at most C - 1 such directions.

    Parameters
    ----------
    x, y
        Data, shape (N, D), and their labels, shape (N,).
    d
        Number of directions, 1 to min(C - 1, D).
    shrinkage
        As scikit-learn has it: how far the covariance is pulled towards a multiple of the
        identity, 0 to 1, or "auto" (Ledoit and Wolf). None for not at all.

    Returns
    -------
    Reducer
        Without a way back.

    Raises
    ------
    ValueError
        If shapes do not fit or d is out of range.
    """
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise ValueError(f"x {tuple(x.shape)} and y {tuple(y.shape)}: expected (N, D) and (N,)")
    classes = len(y.unique())
    most = min(classes - 1, x.shape[1])
    if not isinstance(d, int) or not 1 <= d <= most:
        raise ValueError(
            f"d={d!r}: expected 1 to {most}, because {classes} classes of {x.shape[1]} numbers "
            "have no more directions that tell them apart"
        )
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    solver = "svd" if shrinkage is None else "eigen"
    fitted = LinearDiscriminantAnalysis(solver=solver, shrinkage=shrinkage, n_components=d)
    fitted.fit(x.detach().cpu().double().numpy(), y.cpu().numpy())

    def encode(rows: Tensor) -> Tensor:
        found = fitted.transform(rows.detach().cpu().double().numpy())  # (N, D) -> (N, d)
        return torch.from_numpy(found).to(rows)

    return Reducer(encode)


def chain(first: Any, then: Any) -> Reducer:
    """Put one reducer behind another: ``then`` takes the codes of ``first``.

    Parameters
    ----------
    first, then
        Reducers; the second made for the codes of the first. PCA as a pre-step:
        ``chain(pca(x, 30), codes_of(model))`` with a model trained on ``pca(x, 30).encode(x)``. LDA
        as a post-step: ``chain(codes_of(model), lda(z, y, 2))`` with the model's codes z.

    Returns
    -------
    Reducer
        It can go back if both can.
    """
    back = [getattr(part, "decode", None) for part in (first, then)]

    def encode(x: Tensor) -> Tensor:
        return then.encode(first.encode(x))

    def decode(z: Tensor) -> Tensor:
        return back[0](back[1](z))  # type: ignore[misc]

    return Reducer(encode, None if None in back else decode)


class Scores(NamedTuple):
    """What `score` found about a reducer, all on test data.

    Attributes
    ----------
    d
        Numbers in a code.
    error
        Mean squared error per dimension of the reconstruction; nan without a way back.
    trustworthiness
        See `vqvae_lib.metrics.trustworthiness`.
    knn, linear
        Share of right labels by a vote of five neighbours, and by a linear classifier, each given
        the training codes and their labels.
    """

    d: int
    error: float
    trustworthiness: float
    knn: float
    linear: float


def score(
    reducer: Any,
    x_train: Tensor,
    y_train: Tensor,
    x_test: Tensor,
    y_test: Tensor,
    *,
    neighbours: int = 5,
) -> Scores:
    """Measure what a reducer keeps, on data that it was not fitted on.

    Parameters
    ----------
    reducer
        Anything with ``encode``, and ``decode`` or not.
    x_train, y_train
        Data, (N, D), and labels, (N,): the probes are fitted on their codes.
    x_test, y_test
        Data and labels on which everything is measured.
    neighbours
        For the vote, and for the trustworthiness.

    Returns
    -------
    Scores
        ``d``, ``error``, ``trustworthiness``, ``knn``, ``linear``.
    """
    z_train, z_test = reducer.encode(x_train), reducer.encode(x_test)  # (N, d) each
    decode = getattr(reducer, "decode", None)
    return Scores(
        d=z_test.shape[1],
        error=math.nan if decode is None else mse(x_test, decode(z_test)),
        trustworthiness=trustworthiness(x_test, z_test, neighbours=neighbours),
        knn=knn_accuracy(z_train, y_train, z_test, y_test, neighbours=neighbours),
        linear=linear_probe_accuracy(z_train, y_train, z_test, y_test),
    )


def beside_pca(
    reducer: Any,
    x_train: Tensor,
    y_train: Tensor,
    x_test: Tensor,
    y_test: Tensor,
    *,
    neighbours: int = 5,
) -> dict[str, Scores]:
    """Score a reducer, and PCA with as many dimensions.

    Returns
    -------
    dict
        ``"reducer"`` and ``"PCA"``.
    """
    data = (x_train, y_train, x_test, y_test)
    own = score(reducer, *data, neighbours=neighbours)
    floor = score(pca(x_train, min(own.d, x_train.shape[1])), *data, neighbours=neighbours)
    return {"reducer": own, "PCA": floor}
