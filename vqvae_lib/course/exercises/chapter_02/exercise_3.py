"""Exercise 2.3: compute the importance-weighted bound without leaving the logarithm."""

import math
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import Mistake, call, expect_tensor, recognise
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _

# What the notebook calls `K` once its cells have run: an answer may use it by mistake.
_NOTEBOOK_K = 1000


def check(iwae: Any) -> Right:
    """A function `iwae(log_w)` of log-weights (K, B) that returns (B,)."""
    generator = torch.Generator().manual_seed(0)
    for K, B, shift in ((6, 4, 0.0), (1, 3, 0.0), (50, 2, -3.0)):
        log_w = 2 * torch.randn(K, B, generator=generator) + shift
        value = call(iwae, log_w)
        if getattr(value, "shape", None) == (K,) and K != B:
            raise Wrong("wrong-axis", _("The average runs over the K draws, the first axis."))
        if getattr(value, "shape", None) == ():
            raise Wrong(
                "averaged-over-batch",
                _("You return one number for the whole batch: keep one for each point."),
            )
        value = expect_tensor(value, (B,), what="iwae(log_w)")
        recognise(value, _solve(log_w), _list_mistakes(log_w))
    extremes = torch.tensor([[-800.0, 700.0], [-801.0, 699.0]])
    value = call(iwae, extremes)
    if not torch.as_tensor(value).isfinite().all():
        raise Wrong(
            "leaves-the-logarithm",
            _(
                "Right for moderate weights. But for log-weights of -800 or 700 the result is not "
                "finite, because exp under- or overflows; `torch.logsumexp` does not."
            ),
        )
    recognise(expect_tensor(value, (2,), what="iwae(log_w)"), _solve(extremes), [])
    return Right(
        _(
            "For K = 1 this is the log-weight itself, whose average is the ELBO; more draws "
            "raise it."
        )
    )


def _solve(log_w: Tensor) -> Tensor:
    return log_w.double().logsumexp(0) - math.log(len(log_w))


def _list_mistakes(log_w: Tensor) -> list[Mistake]:
    log_w = log_w.double()
    K = len(log_w)
    return [
        (
            "elbo",
            log_w.mean(0),
            _("You average the logarithms, which gives the ELBO: average the weights first."),
        ),
        (
            "sum",
            log_w.logsumexp(0),
            _("That is the logarithm of the sum: divide by K, that is, subtract log K."),
        ),
        (
            "divided-outside",
            log_w.logsumexp(0) / K,
            _("The 1/K belongs inside the logarithm: subtract log K instead of dividing by K."),
        ),
        ("no-logarithm", log_w.exp().mean(0), _("The logarithm is missing.")),
        ("sign", -_solve(log_w), _("The sign is wrong: return the bound, not a loss.")),
        ("max", log_w.amax(0), _("That is only the largest log-weight.")),
        (
            "max-left-out",
            _solve(log_w) - log_w.amax(0),
            _("You took the maximum out and never put it back: add it at the end."),
        ),
        (
            "plus-log-k",
            log_w.logsumexp(0) + math.log(K),
            _("The sign of log K is wrong: an average is the sum divided by K, so subtract log K."),
        ),
        *(
            (
                "another-k",
                log_w.logsumexp(0) - math.log(other),
                _("You divide by {other}. K is the number of rows of `log_w`, here {K}.").format(
                    other=other, K=K
                ),
            )
            for other in (log_w.shape[1], _NOTEBOOK_K)
            if other > 1
        ),
    ]
