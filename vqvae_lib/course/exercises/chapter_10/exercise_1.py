"""Exercise 10.1: reduce images to codes, and say what was lost."""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import as_tensor, describe, expect_number, expect_tensor
from vqvae_lib.course.exercises.chapter_10.models import (
    ask_about_model,
    recognise_rows,
    small_model,
)
from vqvae_lib.course.exercises.digits import digits_data
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _
from vqvae_lib.likelihoods import Binomial
from vqvae_lib.metrics import mse

# Of an error. Rounding leaves 1e-6; of 200 draws of z the luckiest comes within 3e-4.
TOLERANCE = 1e-4


def check(reduce: Any) -> Right:
    """A function `reduce(model, x)` that returns the codes (B, d) and an error."""
    x = digits_data().x_test[:7]
    model = small_model(64, seed=1, likelihood=Binomial(16))

    def codes(x: Tensor) -> Tensor:
        z = _read_pair(ask_about_model(reduce, model, x))[0]
        return expect_tensor(z, (len(x), 4), what=_("the codes"))

    first, repetition = (_read_pair(ask_about_model(reduce, model, x)) for _repeat in range(2))
    with torch.no_grad():
        mu, log_var = model.encode(x)
        o = model.quantum_layer(mu)
        params = model.decode(mu)
        by_code = model.likelihood.mean(params)
    raw = as_tensor(first[0])
    if isinstance(raw, Tensor) and raw.shape == x.shape:
        raise Wrong(
            "reconstruction",
            _(
                "The first value has as many numbers as the image, so it is a reconstruction. The "
                "reduced data are the codes."
            ),
        )
    mistakes = [
        ("log-var", log_var.double(), _("That is log_var. `encode` gives mu first.")),
        ("features", o.double(), _("That is o, the circuit's output. The exercise asks for mu.")),
        (
            "features",
            model.bottleneck(mu).detach().double(),
            _("That is what the decoder receives. The exercise asks for mu."),
        ),
    ]
    recognise_rows(
        expect_tensor(first[0], (7, 4), what=_("the codes")),
        mu.double(),
        mistakes,
        again=lambda: codes(x),
        part=lambda: codes(x[:5].flip(0)),
    )
    error, other = (expect_number(answer[1], what=_("the error")) for answer in (first, repetition))
    if abs(error - other) > TOLERANCE * abs(error):
        raise Wrong(
            "drawn",
            _("Two calls gave two different errors: rebuild the images from mu, not from a draw."),
        )
    truth = mse(x, by_code)
    if abs(error - truth) > TOLERANCE * truth:
        _explain_error(error, x, params, by_code, model.decoder(mu).detach())
    return Right(
        _(
            "Four numbers for each image, the same at each call, and an error that says what "
            "they have lost. The picture itself, with its 64 numbers, would not be a "
            "reduction."
        )
    )


def _read_pair(value: Any) -> tuple[Any, Any]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise Wrong(
            "type",
            _("reduce(model, x): expected two values, codes and error, got {got}.").format(
                got=describe(value)
            ),
        )
    return value[0], value[1]


def _explain_error(
    error: float, x: Tensor, params: Tensor, by_code: Tensor, without: Tensor
) -> None:
    """Say which error was computed instead."""
    squares = (x - by_code).square()
    for kind, other, hint in (
        ("sum", float(squares.sum(1).mean()), _("That is summed over the pixels, not averaged.")),
        ("sum", float(squares.sum()), _("That is summed, not averaged.")),
        ("root", mse(x, by_code) ** 0.5, _("That is the root of the error: leave it squared.")),
        (
            "absolute",
            float((x - by_code).abs().mean()),
            _("That is the mean of the absolute differences: square them."),
        ),
        (
            "logits",
            mse(x, params),
            _(
                "`decode` gives the parameters of the likelihood, here logits. The picture is "
                "`model.likelihood.mean` of them."
            ),
        ),
        (
            "no-circuit",
            mse(x, torch.sigmoid(without)),
            _(
                "Your code went to the decoder without passing the circuit: `model.decode` "
                "does both."
            ),
        ),
    ):
        if abs(error - other) <= TOLERANCE * other:
            raise Wrong(kind, hint)
    raise Wrong(
        "error",
        _(
            "The error: expected {expected:.5f}, got {got:.5f}. Do you rebuild the pictures "
            "from the codes you return, and compare them with x pixel by pixel?"
        ).format(expected=mse(x, by_code), got=error),
    )
