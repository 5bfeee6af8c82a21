"""Checks of chapter 11, Data augmentation and generation.

No check looks at the test digits: accuracy is measured on training digits whose labels the answer
does not see.
"""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.augmented import ex_11_3, ex_11_5
from vqvae_lib.course.exercises.digits import digits_data
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

__all__ = ["ex_11_1", "ex_11_2", "ex_11_3", "ex_11_4", "ex_11_5"]


# Exercise 1 ---------------------------------------------------------------------------------------


def ex_11_1(best_weight: Any) -> Right:
    """A function `best_weight(n, sigma, b, N, m)` that returns a share between 0 and 1."""
    # No two mistakes give one number in the first case; its bias is negative.
    for case in ((12, 1.3, -0.4, 70, 45), (5, 2.0, 0.0, 40, 1000), (50, 0.5, 1.0, 200, 200)):
        n, sigma, b, N, m = case
        what = "best_weight({}, {}, {}, {}, {})".format(*case)
        value = expect_number(call(best_weight, *case), what=what)
        A, v = sigma**2 / n, sigma**2 / N + sigma**2 / m
        B = b**2 + v
        mistakes = [
            ("real", B / (A + B), _("That is the share of the real data; asked is the other.")),
            ("appended", m / (n + m), _("That is the share that comes of appending all draws.")),
            *(
                (
                    "bias",
                    A / (A + wrong + v),
                    _("The bias enters as a square, like the variance that it is added to."),
                )
                for wrong in (b, abs(b), b * abs(b))
            ),
            ("no-bias", A / (A + v), _("The generator's bias is missing: as if b were 0.")),
            (
                "no-variance",
                A / (A + b**2),
                _("Only the bias is there: the average of the generated values varies as well."),
            ),
            (
                "most",
                min(1, 2 * A / (A + B)),
                _("Up to that share the generated values help; they help most at a smaller one."),
            ),
            (
                "no-draws",
                A / (A + b**2 + sigma**2 / N),
                _("The generator draws only m values: their average has noise of its own."),
            ),
            (
                "no-fit",
                A / (A + b**2 + sigma**2 / m),
                _("The generator was fitted on only N data: its mean is uncertain, too."),
            ),
            (
                "sigma",
                (sigma / n) / (sigma / n + b**2 + sigma / N + sigma / m),
                _("sigma is a standard deviation; variances are its square."),
            ),
            (
                "one-datum",
                sigma**2 / (sigma**2 + B),
                _("The average of n real values has the variance sigma²/n, not sigma²."),
            ),
        ]
        tensors = [(kind, _one(other), hint) for kind, other, hint in mistakes]
        recognise(_one(value), _one(A / (A + B)), tensors, case=what)
    return Right(
        _(
            "With b = 0 and m without end the share is N/(N + n): the generator counts as its N "
            "data. Any bias makes it worth fewer, and more labels make the bias count more."
        )
    )


def _one(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)


# Exercise 2 ---------------------------------------------------------------------------------------


def ex_11_2(mix: Any) -> Right:
    """A function `mix(model, x, y, partner, lam)` that returns (N, 64) images, (N, 10) labels."""
    from vqvae_lib.likelihoods import Bernoulli, Gaussian

    data = digits_data()
    generator = torch.Generator().manual_seed(3)
    x, y = data.x_train[:12].float(), data.y_train[:12]
    partner = torch.randint(12, (12,), generator=generator)  # some have the same label
    lam = 0.05 + 0.9 * torch.rand(12, generator=generator)  # on both sides of a half
    for likelihood in (Bernoulli(), Gaussian()):
        model = _model(likelihood)
        images, labels = _mixtures(mix, model, x, y, partner, lam)
        again, _labels = _mixtures(mix, model, x, y, partner, lam)
        if not torch.allclose(images, again, atol=1e-4):
            raise Wrong(
                "drawn",
                _(
                    "The same arguments gave other images: a code or a picture was drawn. Both "
                    "are means here."
                ),
            )
        with torch.no_grad():
            truth, mistakes = _mixed_images(model, x, partner, lam[:, None])
        recognise(images, truth, mistakes, case=_("the images, where they differ most"))
        truth, mistakes = _mixed_labels(y, partner, lam)
        recognise(labels, truth, mistakes, case=_("the labels, where they differ most"))
    return Right(
        _(
            "Each row of labels sums to 1. Where both ends are of one class the label stays whole. "
            "A model that knows no labels can mix any two."
        )
    )


def _model(likelihood: Any) -> Any:
    """Give a model that is far from linear, so that it matters what is mixed."""
    from vqvae_lib.vqvae import VQVAE

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        model = VQVAE(64, 16, 4, 2, likelihood=likelihood, angle_scale=1.0, init="random").eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3)
    return model


def _mixtures(mix: Any, *given: Any) -> tuple[Tensor, Tensor]:
    """Call the answer, and take the images and the shares of labels that it gives."""
    value = call(mix, *given)
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise Wrong("pair", _("Expected two things: the images, and their shares of labels."))
    images = expect_tensor(value[0], (12, 64), what=_("images"), dtype=torch.float32)
    return images, _shares(value[1])


def _shares(value: Any) -> Tensor:
    """Give shares of labels, or say that they are whole labels."""
    value = as_tensor(value)
    if isinstance(value, Tensor) and tuple(value.shape) == (12,):
        raise Wrong(
            "labels-whole",
            _("One label an image: expected ten shares each, shape (N, 10), as one-hot rows mix."),
        )
    return expect_tensor(value, (12, 10), what=_("labels"), dtype=torch.float32)


def _mixed_labels(
    y: Tensor, partner: Tensor, lam: Tensor
) -> tuple[Tensor, list[tuple[str, Tensor, str]]]:
    """Give the right shares of labels, and those of likely mistakes."""
    one_hot, share, rows = torch.eye(10)[y], lam[:, None], torch.arange(12)
    written = torch.zeros(12, 10)
    written[rows, y] = lam
    other_first = written.clone()
    written[rows, y[partner]] = 1 - lam
    other_first[rows, y[partner]] = 1 - lam
    other_first[rows, y] = lam
    lost = _("Where both ends are of one class, the second share was written over the first.")
    return share * one_hot + (1 - share) * one_hot[partner], [
        ("labels-own", one_hot, _("The labels are not mixed: each has that of `x` alone.")),
        (
            "labels-turned",
            (1 - share) * one_hot + share * one_hot[partner],
            _("The images have `lam` of `x`, the labels `lam` of the partner."),
        ),
        (
            "labels-half",
            (one_hot + one_hot[partner]) / 2,
            _("The labels are shared half and half, and the images by `lam`."),
        ),
        (
            "labels-hard",
            torch.eye(10)[torch.where(lam > 0.5, y, y[partner])],
            _("Each image has the label of the nearer end. Its share was asked for."),
        ),
        ("labels-lost", written, lost),
        ("labels-lost", other_first, lost),
    ]


def _mixed_images(
    model: Any, x: Tensor, partner: Tensor, share: Tensor
) -> tuple[Tensor, list[tuple[str, Tensor, str]]]:
    """Give the right images, and those of likely mistakes."""
    mu = model.encode(x).mu
    z = share * mu + (1 - share) * mu[partner]

    def mean(code: Tensor) -> Tensor:
        return model.likelihood.mean(model.decode(code))

    def mixed(share: Tensor) -> Tensor:
        return mean(share * mu + (1 - share) * mu[partner])

    pixels = share * x + (1 - share) * x[partner]
    ends = share * mean(mu) + (1 - share) * mean(mu)[partner]
    return mean(z), [
        ("pixels", pixels, _("These are mixed pixels. Mix the codes, and decode.")),
        (
            "ends",
            ends,
            _("You decode both ends and mix the pictures. Mix the codes first, then decode once."),
        ),
        (
            "encoded-late",
            mean(model.encode(pixels).mu),
            _("You mix pixels, then encode. Encode both ends first, then mix their codes."),
        ),
        (
            "turned",
            mixed(1 - share),
            _("`lam` is the share of `x`, and 1 - lam that of its partner."),
        ),
        *(
            (
                "folded",
                mixed(folded),
                _("`lam` is the share of `x`, be it above or below a half."),
            )
            for folded in (torch.minimum(share, 1 - share), torch.maximum(share, 1 - share))
        ),
        (
            "logits",
            model.decode(z),
            _(
                "`decode` gives parameters, logits for this likelihood; the picture is "
                "`model.likelihood.mean` of them."
            ),
        ),
        (
            "sigmoid",
            model.decode(z).sigmoid(),
            _(
                "A sigmoid is the mean of some likelihoods; this model has another one. What "
                "gives the mean for any of them?"
            ),
        ),
        (
            "no-circuit",
            model.likelihood.mean(model.decoder(z)),
            _("`model.decoder` alone leaves out the circuit: use `model.decode`."),
        ),
        ("no-mix", mean(mu), _("These are the reconstructions of `x`: nothing is mixed.")),
    ]


# Exercise 4 ---------------------------------------------------------------------------------------

HONEST, LEAKING = 30, 20
# An exact test at 5 % gives 6 or more false alarms among 30 in 0.3 % of cases; the test of the
# chapter gives 0 here, and finds all 20 leaks.
ALARMS, FOUND = 5, 15
LEVEL = 0.05
# By the test of Kolmogorov and Smirnov these p-values are evenly spread with p = 0.008 or more for
# thirteen sound tests (of ranks, means, counts), with 6e-6 or less where they are halved or
# tenfold, and for shares that are taken for p-values.
EVEN = 1e-4


def ex_11_4(leak_p_value: Any) -> Right:
    """A function `leak_p_value(generated, suspected, clean)` that returns a p-value."""
    from scipy.stats import kstest

    honest, leaking = (
        [_p_value(leak_p_value, *_trial(trial, leaks)) for trial in range(number)]
        for leaks, number in ((False, HONEST), (True, LEAKING))
    )
    alarms, found = (sum(p < LEVEL for p in ps) for ps in (honest, leaking))
    numbers = {
        "alarms": alarms, "honest": HONEST, "found": found, "leaking": LEAKING, "most": ALARMS
    }  # fmt: skip
    if len(set(honest + leaking)) == 1:
        raise Wrong("constant", _("Your function gives the same number for all generators."))
    if set(honest + leaking) <= {0.0, 1.0}:
        raise Wrong(
            "yes-no",
            _("Your function says yes or no, 0 or 1. The p-value itself was asked for."),
        )
    if sum(p > 1 - LEVEL for p in leaking) >= FOUND:
        raise Wrong(
            "reversed",
            _(
                "The p-values of leaking generators are near 1, so the test looks the wrong way: "
                "what was trained on is *closer* to what is generated."
            ),
        )
    if alarms > ALARMS:
        raise Wrong(
            "alarms",
            _(
                "{alarms} of {honest} honest generators have p < 0.05; {most} are allowed. Which "
                "distances are alike if nothing leaked? Those of two kinds of *real* points to "
                "the same generated ones. Distances of generated points to two sets are not: the "
                "larger set is always nearer, and points of one set are not those of training."
            ).format(**numbers),
        )
    if kstest(honest, "uniform").pvalue < EVEN:
        low, middle, high = sorted(honest)[2], sorted(honest)[HONEST // 2], sorted(honest)[-3]
        raise Wrong(
            "uneven",
            _(
                "No p-value: for honest generators p-values spread evenly from 0 to 1. Most of "
                "yours lie between {low:.2f} and {high:.2f}, half of them below {middle:.2f}."
            ).format(low=low, middle=middle, high=high),
        )
    if found < FOUND:
        raise Wrong(
            "missed",
            _(
                "Only {found} of {leaking} leaking generators have p < 0.05. A leak shows in how "
                "near the *nearest* generated point is; averages over all points dilute it."
            ).format(**numbers),
        )
    return Right(
        _(
            "{found} of {leaking} leaks found, {alarms} false alarms among {honest}. The test "
            "needs clean data of the same kind: keep some aside that no model ever sees."
        ).format(**numbers)
    )


def _p_value(function: Any, *sets: Tensor) -> float:
    value = expect_number(call(function, *sets), what="leak_p_value(generated, suspected, clean)")
    if not 0 <= value <= 1:
        raise Wrong(
            "range",
            _("{value:.3g} is no p-value: expected a number from 0 to 1.").format(value=value),
        )
    return value


def _trial(trial: int, leaks: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Make generated, suspected and clean digits.

    Honest generators are good, narrow or smooth: the last draw averages of neighbours, which are
    closer to any digit than digits are to each other.
    """
    x = digits_data().x_train.double()
    generator = torch.Generator().manual_seed(1000 * leaks + trial)
    order = torch.randperm(len(x), generator=generator)
    # The larger set is now the suspected one, now the clean one.
    suspected = order[:60] if trial % 2 else order[:180]
    clean = order[200:380] if trial % 2 else order[200:260]
    known = order[400:700]
    if leaks:
        known = torch.cat([known[:150], suspected])
    elif trial % 3 == 1:
        known = known[:10]
    drawn = x[known[torch.randint(len(known), (400,), generator=generator)]]  # (400, 64)
    if not leaks and trial % 3 == 2:
        near = torch.cdist(drawn, x[known]).topk(8, largest=False).indices  # (400, 8)
        return x[known][near].mean(1), x[suspected], x[clean]
    noise = torch.randn(400, 64, generator=generator, dtype=torch.float64)
    return drawn + 0.1 * noise, x[suspected], x[clean]
