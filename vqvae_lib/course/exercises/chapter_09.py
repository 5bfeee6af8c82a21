"""Checks of chapter 9, Image generation."""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.digits import digits_data
from vqvae_lib.course.exercises.few_pairs import ex_09_5
from vqvae_lib.course.exercises.mechanism import (
    Right,
    Wrong,
    as_tensor,
    call,
    expect_number,
    expect_tensor,
    recognise,
)
from vqvae_lib.course.words import _
from vqvae_lib.likelihoods import Gaussian
from vqvae_lib.networks import mlp
from vqvae_lib.vae import VAE, mlp_vae

__all__ = ["ex_09_1", "ex_09_2", "ex_09_3", "ex_09_4", "ex_09_5"]


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _refuse_nan(value: Any, kind: str, message: str) -> Any:
    """Give `value` back, or raise `Wrong` with what nan in it means in this exercise."""
    numbers = as_tensor(value)
    if isinstance(numbers, Tensor) and numbers.isnan().any():
        raise Wrong(kind, message)
    return value


# Exercise 1 ---------------------------------------------------------------------------------------


def ex_09_1(score: Any) -> Right:
    """A function `score(x, filled, observed)` of (B, D) each that returns a number."""
    x = torch.rand(4, 10, generator=_generator(0), dtype=torch.float64)
    observed = torch.arange(10) < torch.tensor([[9], [5], [2], [7]])
    noise = torch.randn(4, 10, generator=_generator(1), dtype=torch.float64)
    filled = torch.where(observed, x, x + noise)
    value = expect_number(call(score, x, filled, observed), what="score(x, filled, observed)")
    squares = (filled - x).square()
    hidden = ~observed
    each = squares.sum(1) / hidden.sum(1)
    mean = squares[hidden].mean()
    mistakes = [
        (
            "all-pixels",
            squares.mean().sqrt(),
            _("You average over all pixels. Seen ones have no error, and make every method good."),
        ),
        (
            "per-image",
            each.mean().sqrt(),
            _("You average image by image first: a pixel in a small hole counts more than others."),
        ),
        (
            "per-image",
            each.sqrt().mean(),
            _("You average image by image first: a pixel in a small hole counts more than others."),
        ),
        ("no-root", mean, _("This is the mean squared error: the root is missing.")),
        ("sum", squares.sum().sqrt(), _("This is the root of the sum: divide by the number.")),
        (
            "absolute",
            (filled - x).abs()[hidden].mean(),
            _("This is the mean absolute error: square before you average."),
        ),
        (
            "seen",
            squares[observed].mean().sqrt(),
            _("These are the seen pixels: `observed` is True where a pixel is seen."),
        ),
    ]
    truth = mean.sqrt()
    as_tensors = [(kind, one[None], message) for kind, one, message in mistakes]
    recognise(torch.tensor([value], dtype=torch.float64), truth[None], as_tensors)
    # Seen pixels may differ, as where a model draws the whole image: they do not count.
    other = expect_number(
        call(score, x, torch.where(observed, x + 5, filled), observed),
        what=_("score, with other values in seen pixels"),
    )
    if abs(other - float(truth)) > 1e-3 * float(truth):
        raise Wrong(
            "seen-counted",
            _("The score changes with the values that `filled` has in seen pixels."),
        )
    return Right(
        _(
            "With half of the image hidden, an average over all pixels would have been smaller by "
            "the factor 1/√2, whatever the method."
        )
    )


# Exercise 2 ---------------------------------------------------------------------------------------


def ex_09_2(complete: Any) -> Right:
    """A function `complete(mean, covariance, x, observed)` for one image, returning (D,)."""
    for D, seed in ((6, 0), (9, 1)):
        root = torch.randn(D, D, generator=_generator(seed), dtype=torch.float64)
        covariance = root @ root.T + 0.5 * torch.eye(D, dtype=torch.float64)
        mean = torch.randn(D, generator=_generator(seed + 10), dtype=torch.float64)
        x = torch.randn(D, generator=_generator(seed + 20), dtype=torch.float64)
        observed = torch.rand(D, generator=_generator(seed + 30)) < 0.5
        observed[0], observed[-1] = True, False
        for hole in (torch.nan, 9.0):  # hidden entries may hold nan, or any number
            given = torch.where(observed, x, hole)
            value = expect_tensor(
                _refuse_nan(
                    call(complete, mean, covariance, given, observed),
                    "nan",
                    _(
                        "The result holds nan: a hidden entry of `x` has come into it. Even "
                        "multiplied by 0, nan stays nan."
                    ),
                ),
                (D,),
                what="complete(mean, covariance, x, observed)",
            )
            if not torch.allclose(value[observed], x[observed], rtol=1e-3, atol=1e-4):
                raise Wrong("seen-changed", _("Seen pixels have to keep their own values."))
            recognise(value, *_conditional(mean, covariance, given, observed))
    nothing = torch.zeros(4, dtype=torch.bool)
    mean, eye = torch.arange(4.0).double(), torch.eye(4).double()
    value = expect_tensor(
        call(complete, mean, eye, torch.full((4,), torch.nan).double(), nothing),
        (4,),
        what=_("complete(…) where nothing is seen"),
    )
    recognise(value, mean, [], case=_("an image of which nothing is seen, the mean"))
    return Right(
        _(
            "With a diagonal covariance C_hs is zero, and the hidden half is the mean's, whatever "
            "was seen. All that inpainting knows is in the covariances between the halves."
        )
    )


def _conditional(
    mean: Tensor, C: Tensor, x: Tensor, observed: Tensor
) -> tuple[Tensor, list[tuple[str, Tensor, str]]]:
    """The completed image, and what mistakes would give."""
    s, h = observed, ~observed
    seen = x[s] - mean[s]
    C_ss, C_hs = C[s][:, s], C[h][:, s]
    inverse = torch.linalg.inv(C)

    def filled(hidden: Tensor) -> Tensor:
        out = x.clone()
        out[h] = hidden
        return out

    right = filled(mean[h] + C_hs @ torch.linalg.solve(C_ss, seen))
    mistakes = [
        ("mean", filled(mean[h]), _("This is the mean: what is seen has to move it.")),
        (
            "not-centred",
            filled(mean[h] + C_hs @ torch.linalg.solve(C_ss, x[s])),
            _("Subtract the mean of the seen pixels before you multiply."),
        ),
        (
            "no-mean",
            filled(C_hs @ torch.linalg.solve(C_ss, seen)),
            _("The mean of the hidden pixels is missing."),
        ),
        (
            "no-inverse",
            filled(mean[h] + C_hs @ seen),
            _("The inverse of C_ss is missing."),
        ),
        (
            "precision",
            filled(mean[h] + inverse[h][:, s] @ torch.linalg.solve(inverse[s][:, s], seen)),
            _("These are blocks of the inverse covariance: take blocks of the covariance."),
        ),
        (
            "inverse-block",
            filled(mean[h] + C_hs @ inverse[s][:, s] @ seen),
            _(
                "You take a block of the inverse. First cut out C_ss, then invert it: the two "
                "are not the same."
            ),
        ),
        (
            "diagonal",
            filled(mean[h] + C_hs @ (seen / C_ss.diagonal())),
            _("You divide by the variances alone; seen pixels are correlated with each other."),
        ),
        (
            "sign",
            filled(2 * mean[h] - right[h]),
            _("The mean is moved the wrong way: look at the sign."),
        ),
        (
            "unfilled",
            x,
            _("Hidden entries keep what `x` held: it is `observed` that says what is hidden."),
        ),
    ]
    return right, mistakes


# Exercise 3 ---------------------------------------------------------------------------------------


def ex_09_3(estimate: Any) -> Right:
    """A function `estimate(model, x, observed, z, mu, log_var)` that returns (D,)."""
    model = _small_model()
    x = digits_data().x_test[0].double()
    observed = torch.rand(64, generator=_generator(3)) < 0.5
    generator = _generator(0)
    mu = 0.5 * torch.randn(2, generator=generator, dtype=torch.float64)
    noise = torch.randn(300, 2, generator=generator, dtype=torch.float64)
    # The first case tells mistakes apart: each is 70 tolerances or more from the right value, over
    # four seeds. In the second the image is far off, and so are most candidates: no weight is above
    # the smallest double, and divided by an average one the largest weight is above the largest.
    for shift, spread in ((0.0, (-1.0, -0.3)), (7.0, (3.0, 3.0))):
        log_var = torch.tensor(spread, dtype=torch.float64)
        image, z = x + shift, mu + (log_var / 2).exp() * noise
        # The model is a new one: an answer may change it, as by `model.float()`.
        value = call(estimate, _small_model(), image, observed, z, mu, log_var)
        value = expect_tensor(
            _refuse_nan(value, "overflow", _overflow()), (64,), what="estimate(…)"
        )
        right, mistakes = _weighted(model, image, observed, z, mu, log_var)
        if torch.allclose(value[observed], image[observed]):  # seen pixels put back: as good
            right = torch.where(observed, image, right)
            mistakes = [(k, torch.where(observed, image, v), m) for k, v, m in mistakes]
        recognise(value, right, mistakes)
    return Right(
        _(
            "The weight is p(x_s | z) p(z) / q(z). Subtracting the largest log-weight changes "
            "nothing, since the weights are normalised, and it keeps them from vanishing."
        )
    )


def _overflow() -> str:
    return _(
        "All weights became 0, or one became infinite. Work with log-weights, and subtract the "
        "largest before `exp`, or use `softmax`."
    )


def _small_model() -> VAE:
    """Build a VAE with a code of two numbers whose images differ with z, without training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = mlp_vae(64, 16, 2, Gaussian(0.5)).double()
        model.decoder = mlp([2, 32, 64]).double()
        with torch.no_grad():
            for parameter in model.decoder.parameters():
                parameter.mul_(2)
    return model.eval().requires_grad_(False)


def _weighted(
    model: VAE, x: Tensor, observed: Tensor, z: Tensor, mu: Tensor, log_var: Tensor
) -> tuple[Tensor, list[tuple[str, Tensor, str]]]:
    """The estimate, and what mistakes would give."""
    params = model.decode(z)  # (K, D)
    means = model.likelihood.mean(params)
    terms = model.likelihood.log_prob(x, params)
    fit, fit_all = terms[:, observed].sum(1), terms.sum(1)  # (K,)
    prior = -0.5 * z.square().sum(1)
    q = -0.5 * ((z - mu).square() * (-log_var).exp() + log_var).sum(1)
    variance_q = -0.5 * ((z - mu).square() / log_var.exp() ** 2 + 2 * log_var).sum(1)

    def average(log_weights: Tensor) -> Tensor:
        return log_weights.softmax(0) @ means

    right = average(fit + prior - q)
    weights = (fit + prior - q).softmax(0)
    mistakes = [
        ("no-weights", means.mean(0), _("All candidates count the same: no weights are used.")),
        (
            "all-pixels",
            average(fit_all + prior - q),
            _("The weights look at hidden pixels, too: only seen ones may count."),
        ),
        (
            "no-ratio",
            average(fit),
            _("The candidates come from q, not from the prior: p(z)/q(z) is missing."),
        ),
        ("no-q", average(fit + prior), _("The candidates come from q: divide by its density.")),
        ("no-prior", average(fit - q), _("The prior's density p(z) is missing in the weights.")),
        ("inverted", average(fit - prior + q), _("The ratio p(z)/q(z) is upside down.")),
        (
            "variance",
            average(fit + prior - variance_q),
            _("`log_var` is the logarithm of the variance, not of the standard deviation."),
        ),
        (
            "best-only",
            means[weights.argmax()],
            _("You take the best candidate. Average all of them, by their weights."),
        ),
        (
            "mean-code",
            model.likelihood.mean(model.decode(weights @ z)),
            _("You decode the average code. Average the images: the decoder is not linear."),
        ),
        (
            "mean-fit",
            average(terms[:, observed].mean(1) + prior - q),
            _("You average log-densities over the pixels. That of all seen pixels is their sum."),
        ),
        ("overflow", torch.zeros_like(right), _overflow()),
    ]
    return right, mistakes


# Exercise 4 ---------------------------------------------------------------------------------------


def ex_09_4(repair: Any) -> Right:
    """A function `repair(x, y, A)` of (B, D), (B, k) and (k, D) that returns (B, D)."""
    blocks = torch.kron(torch.eye(3), torch.full((1, 4), 0.25)).double()  # (3, 12)
    general = torch.randn(3, 7, generator=_generator(0), dtype=torch.float64)
    for A in (blocks, general):
        k, D = A.shape
        x = torch.randn(5, D, generator=_generator(1), dtype=torch.float64)
        y = torch.randn(5, k, generator=_generator(2), dtype=torch.float64)
        value = expect_tensor(call(repair, x, y, A), (5, D), what="repair(x, y, A)")
        recognise(value, *_repaired(value, x, y, A))
    return Right(
        _(
            "The truth fits y as well, and the repair is the orthogonal projection onto all images "
            "that do: it never moves away from the truth. A free gain for every enlargement."
        )
    )


def _repaired(
    value: Tensor, x: Tensor, y: Tensor, A: Tensor
) -> tuple[Tensor, list[tuple[str, Tensor, str]]]:
    """The nearest images that fit, and what mistakes would give; the last is any other mistake."""
    lacking, inverse = y - x @ A.T, torch.linalg.inv(A @ A.T)
    misfit = float((value @ A.T - y).abs().max())
    other = ("not-nearest", _("Your result fits y, but another image that fits is nearer to x."))
    if misfit > 1e-3:
        text = _("A times your result is not y: they differ by up to {misfit:.2g}.")
        other = ("not-fitting", text.format(misfit=misfit))
    mistakes = [
        ("unchanged", x, _("This is the image that was given.")),
        (
            "no-inverse",
            x + lacking @ A,
            _("(A Aᵀ)⁻¹ is missing: A times your result is not y."),
        ),
        (
            "repeat",
            x + lacking @ A / A.square().sum(1).mean(),
            _("That repairs block means only. For a general A it takes (A Aᵀ)⁻¹."),
        ),
        (
            "ignores-x",
            y @ inverse @ A,
            _("This is the smallest image that fits y, not the nearest to x."),
        ),
        ("sign", x - lacking @ inverse @ A, _("The correction has the wrong sign.")),
        (other[0], value, other[1]),
    ]
    return x + lacking @ inverse @ A, mistakes
