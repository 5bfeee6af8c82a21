"""Checks of chapter 3, The VAE."""

import itertools
import math
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.digits import digits_data, to_nearest
from vqvae_lib.course.exercises.mechanism import Right, Wrong, call, expect_tensor
from vqvae_lib.course.words import _
from vqvae_lib.metrics import mmd2

DRAWN = 300
STEPS = 12
# Of the pictures that are compared, in the distance of two images: half the usual one.
BANDWIDTH = 1.5
# Distance of a usual reconstruction to its nearest training digit, root mean square over pixels.
UNIT = 0.122
# Variance of the likelihood in exercise 3.
VARIANCE = 0.02


# Exercise 1 ---------------------------------------------------------------------------------------


def ex_03_1(generate: Any) -> Right:
    """A function `generate(n, generator)` that returns n new digits (n, 64), values in [0, 1]."""
    digits = digits_data()
    generators = [torch.Generator().manual_seed(seed) for seed in (5, 5, 6)]
    drawn = [
        expect_tensor(call(generate, DRAWN, g), (DRAWN, digits.D), what="generate(300, generator)")
        for g in generators
    ]
    images = drawn[0]
    if float(images.max()) > 3:
        raise Wrong(
            "range",
            _("The largest value is {largest:.3g}: pictures are in [0, 1].").format(
                largest=float(images.max())
            ),
        )
    if float(images.std(0).max()) < 1e-3:
        raise Wrong("same", _("All 300 pictures are the same."))
    if not torch.equal(images, drawn[1]):
        raise Wrong(
            "generator-unused",
            _(
                "Two generators with the same seed gave different pictures: draw everything from "
                "the `generator` that is handed in."
            ),
        )
    if torch.equal(images, drawn[2]):
        raise Wrong(
            "fixed",
            _("Another seed gave the same pictures: draw everything from the `generator`."),
        )
    nearest = to_nearest(images, digits.x_train)
    known = torch.minimum(nearest, to_nearest(images, digits.x_test))
    far = float((nearest > 1.5 * UNIT).double().mean())
    distance = mmd2(images, digits.x_test.double(), kernel="rbf", bandwidth=BANDWIDTH)
    floor = mmd2(digits.x_train[:DRAWN], digits.x_test, kernel="rbf", bandwidth=BANDWIDTH)
    numbers = {"far": 100 * far, "mmd": 1000 * distance, "floor": 1000 * floor}
    if float((known < 0.06).double().mean()) > 0.2:
        raise Wrong(
            "copies",
            _(
                "One in five or more is nearly a copy of a real digit. New ones were asked for: "
                "draw the code from the prior, not from the code of an image."
            ),
        )
    # Noise that is added to each pixel on its own shows in pixels that never carry ink.
    blank = digits.x_train.amax(0) == 0
    if float(images[:, blank].std()) > 0.03:
        raise Wrong(
            "noise",
            _(
                "The pictures are grainy: noise is added to each pixel. To see the digits, take "
                "the means of p(x|z) (`mean=True`)."
            ),
        )
    if distance > 0.08 and far <= 0.45:
        raise Wrong(
            "no-variety",
            _(
                "Single pictures look like digits, but as a set they are far from the test digits: "
                "MMD² {mmd:.0f} thousandths. Are all ten classes there? Is the code long enough, "
                "or has it collapsed?"
            ).format(**numbers),
        )
    if far > 0.45:
        raise Wrong(
            "no-digits",
            _(
                "{far:.0f} % of the pictures are far from every digit. Was the model trained with "
                "the KL at full weight, and are the codes drawn from the prior N(0, I)?"
            ).format(**numbers),
        )
    return Right(
        _(
            "{far:.0f} % lie far from every digit; the set's MMD² to the test digits is {mmd:.0f} "
            "thousandths, where real digits have {floor:.1f}. New, varied, and not yet real."
        ).format(**numbers)
    )


# Exercise 2 ---------------------------------------------------------------------------------------


def ex_03_2(walk: Any) -> Right:
    """A function `walk(x_from, x_to, steps)` of two images (64,) that returns (steps, 64)."""
    digits = digits_data()
    x, y = digits.x_test, digits.y_test
    pairs = [(i, i + 1) for i in range(0, 60, 2) if y[i] != y[i + 1]][:10]
    paths = []
    for i, j in pairs:
        value = call(walk, x[i], x[j], STEPS)
        if getattr(value, "shape", None) == (STEPS, 1, digits.D):
            raise Wrong("batch-axis", _("An axis of length 1 is left over: expected (steps, 64)."))
        paths.append(expect_tensor(value, (STEPS, digits.D), what="walk(x_from, x_to, 12)"))
    path = torch.stack(paths)  # (pairs, steps, D)
    start, end = (x[list(side)].double() for side in zip(*pairs, strict=True))  # (pairs, D)

    def apart(a: Tensor, b: Tensor) -> float:
        return float((a - b).square().mean(1).sqrt().mean())

    ends = apart(path[:, 0], start), apart(path[:, -1], end)
    if apart(path[:, 0], end) < ends[0] and apart(path[:, -1], start) < ends[1]:
        raise Wrong("reversed", _("The walk goes the other way: it begins near `x_to`."))
    total = (path[:, -1] - path[:, 0]).norm(dim=1)
    if float(total.min()) < 1e-3:
        raise Wrong("no-movement", _("A walk ends where it began."))
    if max(ends) > 0.2:
        raise Wrong(
            "ends",
            _(
                "The ends are off by {off:.2f} a pixel, a usual reconstruction by 0.12: are the "
                "images encoded by the model that decodes, and by their means?"
            ).format(off=max(ends)),
        )
    longest = ((path[:, 1:] - path[:, :-1]).norm(dim=2).amax(1) / total).mean()
    if float(longest) > 0.5:
        raise Wrong(
            "jumps",
            _("One step makes up {share:.0f} % of the way: the walk jumps.").format(
                share=100 * float(longest)
            ),
        )
    # Where on the straight line between the two pictures, and how far from it.
    line = path[:, -1:] - path[:, :1]  # (pairs, 1, D)
    along = ((path - path[:, :1]) * line).sum(2, keepdim=True) / line.square().sum(2, keepdim=True)
    straight = path[:, :1] + along * line
    if float((path - straight).square().mean().sqrt()) < 0.02:
        raise Wrong(
            "pixels",
            _(
                "This fades the pixels of one picture into the other. Go straight in the latent "
                "space and decode each point."
            ),
        )
    middle = path[:, 3:-3].reshape(-1, digits.D)
    ratio = float(to_nearest(middle, digits.x_train).mean()) / UNIT
    even = torch.linspace(0, 1, STEPS, dtype=torch.float64)[None, 3:-3, None]
    faded = (path[:, :1] + even * line).reshape(-1, digits.D)
    numbers = {"ratio": ratio, "faded": float(to_nearest(faded, digits.x_train).mean()) / UNIT}
    if ratio > 1.3:
        raise Wrong(
            "no-digits",
            _(
                "Half-way the pictures are {ratio:.2f} times as far from a digit as a usual "
                "reconstruction. A better trained model, or a longer code, gets below 1.3."
            ).format(**numbers),
        )
    return Right(
        _(
            "Half-way the pictures are {ratio:.2f} times as far from a digit as a usual "
            "reconstruction; fading the same ends gives {faded:.2f}."
        ).format(**numbers)
    )


# Exercise 3 ---------------------------------------------------------------------------------------


def ex_03_3(curve: Any) -> Right:
    """A dictionary {beta: (rate, distortion)} for five or more values of beta."""
    betas, rate, distortion = _read_curve(curve)
    D = digits_data().D
    best = D / 2 * math.log(2 * math.pi * VARIANCE)  # of a perfect reconstruction
    if min(rate) < -1e-6:
        raise Wrong(
            "negative-rate",
            _(
                "A KL is never negative, and one of your rates is {rate:.2f}: check the sign."
            ).format(rate=min(rate)),
        )
    if max(abs(value) for value in distortion) < 5:
        raise Wrong(
            "per-pixel",
            _("These distortions are averages over pixels: sum over the 64 of them."),
        )
    numbers = {"best": best, "least": min(distortion), "most": max(distortion)}
    if min(distortion) < best:
        raise Wrong(
            "too-good",
            _(
                "A distortion of {least:.1f} is below {best:.1f}, that of a perfect reconstruction "
                "at variance 0.02. Is the variance another one, or a constant missing?"
            ).format(**numbers),
        )
    if min(distortion) > best + 0.9 * (max(distortion) - best) and max(rate) < 1:
        raise Wrong("untrained", _("No rate is above 1 nat: were the models trained?"))
    falls = [b - a for a, b in itertools.pairwise(rate)]
    rises = [b - a for a, b in itertools.pairwise(distortion)]
    if sum(falls) > 0 > sum(rises):
        raise Wrong(
            "swapped", _("The rate rises with beta and the distortion falls: are they swapped?")
        )
    if max(falls) > 0.5:
        unweighted = [r / b for r, b in zip(rate, betas, strict=True)]
        if all(b < a + 0.5 for a, b in itertools.pairwise(unweighted)) and rate[0] < max(rate):
            raise Wrong(
                "times-beta",
                _("The rate does not fall with beta. It is the KL itself, not beta times the KL."),
            )
        raise Wrong("not-falling", _("The rate has to fall as beta grows, and yours does not."))
    if min(rises) < -1.5:
        raise Wrong(
            "not-rising", _("The distortion has to rise as beta grows, and yours does not.")
        )
    if max(rate) - min(rate) < 2:
        raise Wrong(
            "too-narrow",
            _("All rates are within 2 nats: spread beta over two or three powers of ten."),
        )
    total = [r + d for r, d in zip(rate, distortion, strict=True)]
    at = betas[total.index(min(total))]
    # Where beta is not so small that the test digits' noise decides.
    steep = [
        (betas[i], betas[i + 1], -rise / fall)
        for i, (rise, fall) in enumerate(zip(rises, falls, strict=True))
        if betas[i] >= 0.3 and fall < -0.1
    ]
    notice = _(
        "Rate falls, distortion rises, and their sum is smallest at beta = {at:g}: the ELBO is "
        "best there."
    ).format(at=at)
    if steep:
        low, high, slope = steep[0]
        notice += " " + _(
            "Between beta = {a:g} and {b:g} one nat of rate buys {slope:.1f} nats of distortion: "
            "on training data the slope of the curve is beta itself."
        ).format(a=low, b=high, slope=slope)
    return Right(notice)


def _read_curve(curve: Any) -> tuple[list[float], list[float], list[float]]:
    """Give betas in order, rates and distortions, or say what is wrong with the dictionary."""
    if not isinstance(curve, dict):
        raise Wrong(
            "type",
            _("Expected a dictionary {{beta: (rate, distortion)}}, got {got}.").format(
                got=type(curve).__name__
            ),
        )
    if len(curve) < 5:
        raise Wrong(
            "too-few",
            _("Five values of beta or more were asked for, got {n}.").format(n=len(curve)),
        )
    rows = []
    for beta, pair in curve.items():
        try:
            rate, distortion = (float(value) for value in pair)
            row = (float(beta), rate, distortion)
        except (TypeError, ValueError, RuntimeError):
            raise Wrong(
                "entry",
                _("curve[{beta}]: expected a pair of numbers (rate, distortion).").format(
                    beta=beta
                ),
            ) from None
        if not all(math.isfinite(value) for value in row) or row[0] <= 0:
            raise Wrong(
                "entry",
                _("curve[{beta}]: expected finite numbers, and beta above 0.").format(beta=beta),
            )
        rows.append(row)
    betas, rates, distortions = (list(column) for column in zip(*sorted(rows), strict=True))
    return betas, rates, distortions


# Exercise 4 ---------------------------------------------------------------------------------------

_HIDDEN, _LATENT = 32, 6


def ex_03_4(model: Any) -> Right:
    """A class, built as `model(D, hidden, d)`, with encode, reparameterise and loss."""
    built = call(model, 64, _HIDDEN, _LATENT)
    for name in ("encode", "reparameterise", "loss", "decoder"):
        if not hasattr(built, name):
            raise Wrong(
                "missing", _("Your class has no `{name}`: keep the names.").format(name=name)
            )
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        for parameter in built.parameters():  # a code that says something
            parameter.mul_(2)
        found = {
            "chunk": _halves_the_code(built),
            "squeeze": _loses_the_batch(built),
            "std": _spread_is_wrong(built),
        }
        # What the loss is made of shows only where code and draw are right.
        found |= _loss_is_wrong(built) if not any(found.values()) else {}
    names = {
        "chunk": _("the width of the code"),
        "squeeze": _("a batch of one"),
        "std": _("the standard deviation"),
        "reduction": _("the reduction of the error"),
        "no-kl": _("the term beside it"),
    }
    left = {kind: hint for kind, hint in found.items() if hint}
    gone = [names[kind] for kind, hint in found.items() if not hint and kind in names]
    if left:
        kind, hint = next(iter(left.items()))
        text = _("Repaired: {gone}.").format(gone=", ".join(gone) or _("none yet"))
        raise Wrong(kind, f"{text} {hint}")
    return Right(
        _(
            "All five are repaired: the width of the code, a batch of one, the standard deviation, "
            "the reduction, and the KL. Only the first stops the program, and only if the decoder "
            "is built as wide as it should be."
        )
    )


def _images(B: int) -> Tensor:
    return digits_data().x_train[:B].reshape(B, 1, 8, 8)


def _encode(model: Any, B: int) -> tuple[Tensor, Tensor]:
    found = call(model.encode, _images(B))
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise Wrong("type", _("encode(x): expected the pair mu, log_var."))
    return found[0], found[1]


def _halves_the_code(model: Any) -> str:
    width = _encode(model, 5)[0].shape[-1]
    if width == _LATENT // 2:
        return _(
            "Built with d = {d}, `encode` gives {got} numbers a sample: `chunk` cuts what is there "
            "in two."
        ).format(d=_LATENT, got=width)
    for name, part in zip(("mu", "log_var"), _encode(model, 5), strict=True):
        expect_tensor(part, (5, _LATENT), what=_("{name} of 5 images").format(name=name))
    return ""


def _loses_the_batch(model: Any) -> str:
    try:
        mu = _encode(model, 1)[0]
    except Wrong as outcome:
        return _("With a single image: {said}").format(said=outcome)
    if mu.ndim == 1:
        return _(
            "With a single image, `mu` has shape {shape}: the axis of the batch is gone."
        ).format(shape=tuple(mu.shape))
    return ""


def _spread_is_wrong(model: Any) -> str:
    mu, log_var = torch.ones(4000, _LATENT), torch.full((4000, _LATENT), 2.0)
    z = expect_tensor(
        call(model.reparameterise, mu, log_var), (4000, _LATENT), what="reparameterise(mu, log_var)"
    )
    spread, middle = float(z.std()), float(z.mean())
    # One number for the whole batch, or for all dimensions, has no spread across them.
    if float(z.std(0).mean()) < 0.5 * spread or float(z.std(1).mean()) < 0.5 * spread:
        return _("The noise is shared: each sample and dimension gets a draw of its own.")
    if abs(spread / math.e - 1) > 0.05:
        return _(
            "At log_var = 2 draws spread by {got:.2f}, expected {expected:.2f}: what is log_var "
            "the logarithm of?"
        ).format(got=spread, expected=math.e)
    if abs(middle - 1) > 0.15:
        return _("Draws are centred at {got:.2f} where mu = 1.").format(got=middle)
    return ""


def _loss_is_wrong(model: Any) -> dict[str, str]:
    """Tell which sums and terms the loss is made of."""
    batches = _images(100), 0.5 * _images(100)

    def loss(x: Tensor) -> Tensor:
        return expect_tensor(call(model.loss, x), (), what="loss(x)")

    if loss(batches[0]) == loss(batches[0]):
        return {"draw": _("Two calls of `loss` agree to the last bit: nothing was drawn.")}
    # A decoder that always answers the same takes the draws out, and the difference of two batches
    # what is constant: both terms are then exact.
    for parameter in model.decoder.parameters():
        parameter.zero_()
    x_hat = model.decoder(torch.zeros(100, _LATENT))
    squares, kl, got = torch.zeros(3, dtype=torch.float64)
    for x, sign in zip(batches, (1, -1), strict=True):
        mu, log_var = (part.double() for part in call(model.encode, x))
        squares += sign * (x.flatten(1) - x_hat).square().double().sum(1).mean()
        kl += sign * 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1).mean()
        got += sign * loss(x)
    errors = {"sum": squares, "mean": squares / 64, "half": squares / 2, "batch": squares * 100}
    prices = {
        "sum": kl,
        "none": 0 * kl,
        "mean": kl / _LATENT,
        "sign": -kl,
        "twice": 2 * kl,
        "batch": 100 * kl,
    }
    off = {
        (error, price): float((got - a - b).abs())
        for error, a in errors.items()
        for price, b in prices.items()
    }
    (error, price), distance = min(off.items(), key=lambda item: item[1])
    if distance > 1e-3:
        return {"loss": _("The loss is no sum of a squared error and a KL that the check knows.")}
    reductions = {
        "sum": "",
        "mean": _(
            "The squared error is averaged over the pixels too: that is a likelihood of variance "
            "D/2. Sum over the pixels, average over the batch."
        ),
        "half": _("The squared error has a factor ½: that is a variance of 1, not of ½."),
        "batch": _("The squared error is summed over the batch too: average over the samples."),
    }
    beside = {
        "sum": "",
        "none": _("The loss has one term, and the ELBO has two."),
        "mean": _("The KL is averaged over the dimensions of the code: sum over them."),
        "sign": _("The KL is subtracted: the loss is *minus* the ELBO, so it is added."),
        "twice": _("The KL lacks its factor ½."),
        "batch": _("The KL is summed over the batch: average over the samples."),
    }
    return {"reduction": reductions[error], "no-kl": beside[price]}
