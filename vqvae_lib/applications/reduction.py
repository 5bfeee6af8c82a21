"""Dimensionality reduction with any trained model, measured beside PCA and LDA.

A *reducer* is anything with ``encode(x)``, from data (N, D) to codes (N, d); one that can go back
has ``decode(z)`` as well. `vqvae_lib.PCA` is a reducer, `codes_of` makes one of a trained `VAE` or
`VQVAE`, `LDA` fits one with labels, and `chain` puts one after another: PCA before a model, or LDA
after it. `score` holds all of them to the same measures.

The reduced data are the codes. A reconstruction has D numbers again; it tells how much was lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from vqvae_lib._checks import (
    LABELS,
    check_choice,
    check_count,
    check_instance,
    check_number,
    check_same_length,
    check_tensor,
    describe,
)
from vqvae_lib._evaluating import evaluating
from vqvae_lib.applications._dimensions import check_model
from vqvae_lib.bottlenecks import Scaled
from vqvae_lib.conditions import NoCondition
from vqvae_lib.metrics import knn_accuracy, linear_probe_accuracy, mse, trustworthiness
from vqvae_lib.vae import VAE

__all__ = ["LDA", "Encoder", "Reducer", "Scores", "chain", "codes_of", "score"]

Map = Callable[[Tensor], Tensor]

_ROWS = 1000  # encoded at a time


class Encoder(Protocol):
    """Anything that can reduce data."""

    def encode(self, x: Tensor, /) -> Tensor:
        """Codes of data: ``(N, D) -> (N, d)``."""
        ...


@dataclass(frozen=True)
class Reducer:
    """A map to codes and, where there is one, a map back.

    Attributes
    ----------
    encode
        (N, D) -> (N, d).
    decode
        (N, d) -> (N, D), or None for a reduction that cannot be undone, even roughly.
    """

    encode: Map
    decode: Map | None = None

    def __post_init__(self) -> None:
        check_instance("encode", self.encode, Callable, "a function of rows x")  # type: ignore[arg-type]
        if self.decode is not None:
            check_instance("decode", self.decode, Callable, "a function of codes z")  # type: ignore[arg-type]


def codes_of(model: VAE, which: Literal["mu", "o"] = "mu") -> Reducer:
    """Make a reducer of a trained model.

    Parameters
    ----------
    model
        A `VAE` or `VQVAE` without a condition. It is used in evaluation mode, without gradients,
        and every part keeps its own mode.
    which
        "mu": the mean of q(z|x), d numbers. "o": the bottleneck's features of it, m numbers. A
        quantum bottleneck's features are the expectation values themselves, between -1 and 1,
        before they are scaled. Without a bottleneck "o" is "mu".

    Returns
    -------
    Reducer
        With a way back: ``decode`` gives the mean of p(x|z).

    Raises
    ------
    TypeError
        If `model` is not a VAE.
    ValueError
        If it has a condition, or there is no such `which`.

    Notes
    -----
    o is a function of mu, so it tells nothing about x that mu does not tell, and a classifier that
    is good enough reads no more from it. What can differ is how easy the reading is: o is bounded,
    and codes far from the centre are folded together.
    """
    check_model(model)
    if not isinstance(model.condition, NoCondition):
        raise ValueError(
            f"model has the condition {model.condition}: expected a model without one, whose code "
            "alone tells what x is"
        )
    if check_choice("which", which, ("mu", "o")) == "mu":
        return Reducer(
            _run_in_parts(model, lambda x: model.encode(x).mu),  # (N, D) -> (N, d)
            _run_in_parts(model, lambda z: model.likelihood.mean(model.decode(z))),
        )
    bottleneck = model.bottleneck
    layer: Map = bottleneck
    scale: Tensor | float = 1.0
    if isinstance(bottleneck, Scaled):
        layer, scale = bottleneck.layer, bottleneck.scale
    return Reducer(
        _run_in_parts(model, lambda x: layer(model.encode(x).mu)),  # (N, D) -> (N, m)
        _run_in_parts(model, lambda o: model.likelihood.mean(model.decoder(scale * o))),
    )


def _run_in_parts(model: VAE, function: Map) -> Map:
    """Run a part of a model in evaluation mode, without gradients, some rows at a time."""

    def run(rows: Tensor) -> Tensor:
        rows = check_tensor("x", rows, ("N", "D"), finite=True)
        with evaluating(model):
            return torch.cat([function(part) for part in rows.split(_ROWS)])

    return run


@dataclass(frozen=True, eq=False)
class LDA:
    """Linear discriminant analysis: the d directions that best tell labelled classes apart.

    It looks for directions in which the classes differ much and each class varies little (Fisher
    1936). It needs labels, and with C classes there are at most C - 1 such directions. There is no
    way back.

    Attributes
    ----------
    mean
        Mean of the data, shape (D,).
    directions
        Of unit variance within the classes, shape (D, d).

    Both are kept in float64.
    """

    mean: Tensor
    directions: Tensor

    def __post_init__(self) -> None:
        double = torch.float64
        mean = check_tensor("mean", self.mean, ("D",), dtype=double, finite=True)
        shape = (len(mean), "d")
        directions = check_tensor("directions", self.directions, shape, dtype=double, finite=True)
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "directions", directions)

    @classmethod
    def fit(
        cls, x: Tensor, y: Tensor, d: int, *, shrinkage: float | Literal["auto"] | None = None
    ) -> LDA:
        """Find the directions, with scikit-learn.

        Parameters
        ----------
        x, y
            Data, shape (N, D), and their labels, shape (N,).
        d
            Number of directions, 1 to min(C - 1, D).
        shrinkage
            How far the covariance is pulled towards a multiple of the identity: from 0 to 1, "auto"
            (Ledoit and Wolf), or None for not at all.

        Returns
        -------
        LDA
            In float64.

        Raises
        ------
        ValueError
            If shapes do not fit, or d is out of range.
        """
        x = check_tensor("x", x, ("N", "D"), finite=True).detach().cpu().double()
        y = check_tensor("y", y, ("N",), dtype=LABELS)
        check_same_length("x", x, "y", y)
        if isinstance(shrinkage, str):
            check_choice("shrinkage", shrinkage, ("auto",))
        elif shrinkage is not None:
            shrinkage = check_number("shrinkage", shrinkage, least=0, most=1)
        d = check_count("d", d, most=min(len(y.unique()) - 1, x.shape[1]))
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        solver = "svd" if shrinkage is None else "eigen"
        fit = LinearDiscriminantAnalysis(solver=solver, shrinkage=shrinkage, n_components=d)
        try:
            fit.fit(x.numpy(), y.cpu().numpy())
        except np.linalg.LinAlgError as error:
            raise ValueError(
                f"x of shape {tuple(x.shape)} varies within the classes in fewer than "
                f"{x.shape[1]} directions, and shrinkage={shrinkage}: expected more rows, fewer "
                "columns, or shrinkage='auto'"
            ) from error
        return cls(x.mean(0), torch.from_numpy(fit.scalings_[:, :d].copy()))

    def encode(self, x: Tensor) -> Tensor:
        """Project on the directions: ``(N, D) -> (N, d)``, in the dtype of x."""
        x = check_tensor("x", x, ("N", len(self.mean)), finite=True)
        return ((x.double() - self.mean) @ self.directions).to(x.dtype)


def chain(first: Encoder, second: Encoder) -> Reducer:
    """Put one reducer after another: `second` takes the codes of `first`.

    Parameters
    ----------
    first, second
        Reducers, the second made for the codes of the first. PCA before a model:
        ``chain(pca, codes_of(model))`` with a model trained on ``pca.encode(x)``. LDA after it:
        ``chain(codes_of(model), LDA.fit(z, y, 2))`` with the model's codes z.

    Returns
    -------
    Reducer
        With a way back if both have one.
    """
    _check_encoder("first", first)
    _check_encoder("second", second)
    encode = _compose(first.encode, second.encode)
    decode_first, decode_second = _find_decoder(first), _find_decoder(second)
    if decode_first is None or decode_second is None:
        return Reducer(encode)
    return Reducer(encode, _compose(decode_second, decode_first))


class Scores(NamedTuple):
    """Measures of a reducer, made by `score`, all on test data.

    Attributes
    ----------
    d
        Numbers in a code.
    error
        Mean squared error of the reconstruction, per dimension; nan without a way back.
    trustworthiness
        See `vqvae_lib.metrics.trustworthiness`.
    knn, linear
        Share of test labels that a vote of five neighbours and a linear classifier get right, given
        the training codes and their labels.
    """

    d: int
    error: float
    trustworthiness: float
    knn: float
    linear: float


def score(
    reducer: Encoder, x_train: Tensor, y_train: Tensor, x_test: Tensor, y_test: Tensor
) -> Scores:
    """Measure what a reducer keeps, on data that it was not fitted to.

    Parameters
    ----------
    reducer
        Anything with ``encode``, with or without ``decode``.
    x_train, y_train
        Data (N, D) and labels (N,): classifiers are fitted to their codes.
    x_test, y_test
        Data and labels on which everything is measured.
    """
    _check_encoder("reducer", reducer)
    x_train = check_tensor("x_train", x_train, ("N", "D"), least=1, finite=True)
    x_test = check_tensor("x_test", x_test, ("N", x_train.shape[1]), least=3, finite=True)
    y_train = check_tensor("y_train", y_train, ("N",), dtype=LABELS)
    y_test = check_tensor("y_test", y_test, ("N",), dtype=LABELS)
    check_same_length("x_train", x_train, "y_train", y_train)
    check_same_length("x_test", x_test, "y_test", y_test)
    z_train, z_test = reducer.encode(x_train), reducer.encode(x_test)  # (N, d) each
    decode = _find_decoder(reducer)
    return Scores(
        d=z_test.shape[1],
        error=math.nan if decode is None else mse(x_test, decode(z_test)),
        trustworthiness=trustworthiness(x_test, z_test),
        knn=knn_accuracy(z_train, y_train, z_test, y_test),
        linear=linear_probe_accuracy(z_train, y_train, z_test, y_test),
    )


def _check_encoder(name: str, value: object) -> None:
    """Refuse, with a TypeError, what cannot reduce data."""
    if isinstance(value, type | str) or not callable(getattr(value, "encode", None)):
        raise TypeError(
            f"{name} is {describe(value)}: expected something with encode(x), such as PCA.fit(x, d)"
        )


def _compose(first: Map, second: Map) -> Map:
    return lambda rows: second(first(rows))


def _find_decoder(reducer: Encoder) -> Map | None:
    return getattr(reducer, "decode", None)
