"""Exercise 10.3: probe codes with the nearest class mean."""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import call, expect_number
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _

CASES = ((4, 27), (3, 103))  # classes and seed: here all those shares lie apart


def check(probe: Any) -> Right:
    """A function `probe(z_train, y_train, z_test, y_test)` that returns a share of right labels."""
    for classes, seed in CASES:
        codes = _draw_codes(classes, seed=seed)
        value = expect_number(call(probe, *codes), what="probe(z_train, y_train, z_test, y_test)")
        truth, mistakes = _solve(*codes)
        # Shares are multiples of 1/N: a quarter of it leaves room for rounding to three digits.
        tolerance = 0.25 / len(codes[3])
        if abs(value - truth) < tolerance:
            continue
        for kind, other, hint in mistakes:
            if abs(value - other) < tolerance:
                raise Wrong(kind, hint)
        raise Wrong(
            "value",
            _("For codes of {classes} classes: expected {truth:.4f}, got {value:.4f}.").format(
                classes=classes, truth=truth, value=value
            ),
        )
    return Right(
        _(
            "Mean, scale and class means all come from the training codes. Such a probe can "
            "only be as good as the code, since it has learned next to nothing itself."
        )
    )


def _solve(
    z_train: Tensor, y_train: Tensor, z_test: Tensor, y_test: Tensor
) -> tuple[float, list[tuple[str, float, str]]]:
    """Compute the share of right labels, and those that likely mistakes give."""
    mean, std = z_train.mean(0), z_train.std(0)
    train, test = (z_train - mean) / std, (z_test - mean) / std
    both = torch.cat([z_train, z_test]).std(0)
    test_by_itself = (z_test - z_test.mean(0)) / z_test.std(0)
    truth = _nearest_mean(train, y_train, test, y_test)
    nearest = torch.cdist(test, train).argmin(1)
    no_scaling = _("You did not standardise the codes, so the widest dimension decides alone.")
    other_scaling = _(
        "Some of the mean and the scale comes from the test codes: use those of the training codes."
    )
    answers_used = _("You took class means from the test codes: that is looking up the answers.")
    return truth, [
        ("no-scaling", _nearest_mean(z_train, y_train, z_test, y_test), no_scaling),
        ("own-scaling", _nearest_mean(train, y_train, test_by_itself, y_test), other_scaling),
        (
            "own-scaling",
            _nearest_mean(z_train / z_test.std(0), y_train, z_test / z_test.std(0), y_test),
            other_scaling,
        ),
        (
            "own-scaling",
            _nearest_mean(z_train / both, y_train, z_test / both, y_test),
            other_scaling,
        ),
        (
            "half-scaled",
            _nearest_mean(train, y_train, z_test, y_test),
            _("You standardised the training codes, but not the test codes."),
        ),
        (
            "variance",
            _nearest_mean(z_train / std**2, y_train, z_test / std**2, y_test),
            _("You divided by the variance: divide by its square root, the standard deviation."),
        ),
        ("fitted-on-test", _nearest_mean(test, y_test, test, y_test), answers_used),
        (
            "fitted-on-test",
            _nearest_mean(torch.cat([train, test]), torch.cat([y_train, y_test]), test, y_test),
            answers_used,
        ),
        (
            "on-training",
            _nearest_mean(train, y_train, train, y_train),
            _("That is the share of training codes: ask about the test codes."),
        ),
        (
            "one-neighbour",
            float((y_train[nearest] == y_test).double().mean()),
            _("That is the label of the nearest training code: take the nearest class mean."),
        ),
        (
            "empty-class",
            # A mean of no codes is NaN, and `argmin` takes the first NaN for the smallest.
            0.0,
            _(
                "No label was right. Did you take the mean of a class that has no codes? "
                "`y_train` says which classes there are."
            ),
        ),
        ("error-rate", 1 - truth, _("That is the share of wrong labels.")),
        ("percent", 100 * truth, _("That is a percentage: return a share between 0 and 1.")),
        (
            "count",
            len(y_test) * truth,
            _("That is how many are right: divide by the number of test codes."),
        ),
    ]


def _draw_codes(classes: int, *, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw codes of which every mistake gives another share.

    The labels are in the dimensions that vary least, and the test codes lie aside: most of them
    are of one class. Test codes that lie between two means are left out, so that rounding decides
    nothing.
    """
    generator = torch.Generator().manual_seed(seed)
    scale = torch.tensor([0.1, 1.0, 30.0])
    corners = torch.tensor([[0, 0, 0], [1.6, 0, 0], [0, 1.6, 0.2], [1.6, 1.6, 0.2]])

    def draw(y: Tensor) -> Tensor:
        noise = torch.randn(len(y), 3, generator=generator).exp() - 1  # mean is not median
        return scale * (corners[y] + 0.7 * noise)

    order = torch.randperm(40 * classes, generator=generator)
    y_train = torch.arange(classes).repeat(40)[order]
    y_test = torch.cat([torch.arange(classes), torch.full((classes,), classes - 1)]).repeat(90)
    z_train, z_test = draw(y_train), draw(y_test)
    means = torch.stack([z_train[y_train == label].mean(0) for label in range(classes)])
    apart = torch.cdist(z_test / z_train.std(0), means / z_train.std(0)).sort(1).values
    clear = (apart[:, 1] - apart[:, 0] > 1e-3).nonzero()[: 150 * classes, 0]
    return z_train, y_train, z_test[clear], y_test[clear]


def _nearest_mean(z_fit: Tensor, y_fit: Tensor, z: Tensor, y: Tensor) -> float:
    means = torch.stack([z_fit[y_fit == label].mean(0) for label in y_fit.unique()])
    return float((torch.cdist(z, means).argmin(1) == y).double().mean())
