"""Planted wrong answers of chapter 1: each gets the message that was meant for it."""

import pytest
import torch
from torch import nn

import vqvae_lib as vq
from vqvae_lib.course.exercises import check
from vqvae_lib.course.exercises.chapter_01 import NOISE_STD


@pytest.fixture(scope="module")
def digits():
    return vq.load_digits()


@pytest.fixture(scope="module")
def trained(digits):
    """Trained autoencoders for the widths of the sweep."""
    models = {}
    for d in (2, 4, 8):
        torch.manual_seed(0)
        models[d] = vq.mlp_autoencoder(64, 64, d, activation="silu")
        schedule = vq.cosine(30)
        vq.fit(models[d], digits.x_train, epochs=30, lr=5e-3, schedule=schedule)
    return models


# Exercise 1 ---------------------------------------------------------------------------------------


def project(x_train, x, d, *, centre=True, add=True, fit_on=None, last=False):
    source = x_train if fit_on is None else fit_on
    mean = source.mean(0) if centre else torch.zeros(x.shape[1])
    directions = torch.linalg.svd(source - mean, full_matrices=False).Vh
    basis = directions[-d:] if last else directions[:d]
    return (x - mean) @ basis.T @ basis + (mean if add else 0)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda x_train, x, d: x, "echo"),
        (lambda x_train, x, d: project(x_train, x, d, centre=False), "uncentred"),
        (lambda x_train, x, d: project(x_train, x, d, add=False), "mean-not-added"),
        (lambda x_train, x, d: project(x_train, x, d, fit_on=x), "fitted-on-x"),
        (lambda x_train, x, d: project(x_train, x, d, last=True), "smallest"),
        (lambda x_train, x, d: x_train.mean(0).expand_as(x), "mean-only"),
        (lambda x_train, x, d: x[:, :d], "code"),
        (lambda x_train, x, d: torch.zeros_like(x), "value"),
        (lambda x_train, x, d: torch.ones(1), "shape"),
        (lambda x_train, x, d: torch.full_like(x, float("nan")), "not-finite"),
        (lambda x_train, x, d: project(x_train, x, d).tolist(), "type"),
    ],
)
def test_pca_mistakes_are_recognised(answer, kind):
    verdict = check.ex_01_1(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def test_pca_right_answers():
    assert check.ex_01_1(project).passed

    def eigen(x_train, x, d):
        # Another route: eigenvectors of the covariance, in float64.
        mean = x_train.double().mean(0)
        vectors = torch.linalg.eigh(torch.cov(x_train.double().T)).eigenvectors[:, -d:]
        return mean + (x.double() - mean) @ vectors @ vectors.T

    assert check.ex_01_1(eigen).passed


# Exercise 2 ---------------------------------------------------------------------------------------


class Linear(nn.Module):
    """PCA dressed as a model."""

    def __init__(self, x, d):
        super().__init__()
        self.pca = vq.pca(x, d)

    def encode(self, x):
        return self.pca.encode(x)

    def decode(self, z):
        return self.pca.decode(z)


class Cheat(nn.Module):
    """Remembers its input on the side."""

    def encode(self, x):
        self.seen = x
        return x

    def decode(self, z):
        return self.seen


def test_sweep_right(trained):
    verdict = check.ex_01_2(trained)
    assert verdict.passed, verdict


def test_sweep_mistakes_are_recognised(trained, digits):
    x = digits.x_train
    untrained = {d: vq.mlp_autoencoder(64, 64, d) for d in (2, 4, 8)}
    linear = {d: Linear(x, d) for d in (2, 4, 8)}
    short = dict(trained)
    short[2] = vq.mlp_autoencoder(64, 64, 2, activation="silu")
    vq.fit(short[2], x, epochs=2, lr=2e-3)
    for answer, kind in (
        (untrained, "untrained"),
        (linear, "linear"),
        (short, "above-pca"),
        ({2: trained[2], 4: trained[4]}, "missing"),
        ({2: trained[4], 4: trained[4], 8: trained[8]}, "shape"),
        ({d: Cheat() for d in (2, 4, 8)}, "shape"),
        ({d: 0.01 for d in (2, 4, 8)}, "no-autoencoder"),
        (list(trained.values()), "type"),
    ):
        verdict = check.ex_01_2(answer)
        assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


# Exercise 3 ---------------------------------------------------------------------------------------


def linear_filter(x_train):
    mean, covariance = x_train.mean(0), torch.cov(x_train.T)
    gain = torch.linalg.solve(covariance + NOISE_STD**2 * torch.eye(64), covariance)
    return lambda y: mean + (y - mean) @ gain


def test_denoise_right(digits):
    torch.manual_seed(0)
    trunk = vq.mlp_autoencoder(64, 256, 64, activation="silu")
    model = vq.DenoisingAutoencoder(trunk.encoder, trunk.decoder, noise_std=NOISE_STD)
    vq.fit(model, digits.x_train, epochs=30, lr=3e-3, schedule=vq.cosine(30))
    verdict = check.ex_01_3(model)
    assert verdict.passed, verdict


def test_denoise_mistakes_are_recognised(digits):
    x = digits.x_train
    best = linear_filter(x)
    for answer, kind in (
        (lambda y: y, "echo"),
        (lambda y: x.mean(0).expand_as(y), "constant"),
        (lambda y: torch.zeros_like(y), "constant"),
        (lambda y: y - best(y), "noise"),
        (best, "linear"),
        (lambda y: y + 0.1, "worse-than-noisy"),
        (lambda y: y.clamp(0, 1), "above-linear"),
        (lambda y: y[:, :8], "shape"),
        (lambda y: y @ torch.ones(3), "raises"),
    ):
        verdict = check.ex_01_3(answer)
        assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


# Exercise 4 ---------------------------------------------------------------------------------------


class Holed(nn.Module):
    """A code of two numbers that decodes well but for a hole around the origin."""

    def __init__(self, x):
        super().__init__()
        self.x = x
        angle = torch.linspace(0, 2 * torch.pi, len(x))
        self.codes = torch.stack([angle.cos(), angle.sin()], dim=1)

    def encode(self, x):
        return self.codes[torch.cdist(x, self.x).argmin(1)]

    def decode(self, z):
        nearest = torch.cdist(z, self.codes).min(1)
        image = self.x[nearest.indices] + 0.02
        return torch.where(nearest.values[:, None] > 0.5, torch.full_like(image, 0.9), image)


def test_hole_verdicts(digits):
    holed = Holed(digits.x_train)
    for z, kind in (
        (torch.tensor([5.0, 0.0]), "outside"),
        (holed.codes[100] * 0.97, "no-hole"),
        (torch.zeros(3), "shape"),
        (torch.tensor([float("nan"), 0.0]), "not-finite"),
        ((0.0, 0.0), "type"),
    ):
        verdict = check.ex_01_4(holed, z)
        assert (verdict.status, verdict.kind) == ("wrong", kind), verdict
    assert check.ex_01_4(holed, torch.zeros(2)).passed
    assert check.ex_01_4(holed, ...).status == "unattempted"


# All of them --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ex_01_1", "ex_01_2", "ex_01_3"])
def test_nothing_passes_by_doing_nothing(name):
    """Empty, constant and input-echoing answers pass no check."""
    one_or_more = [
        lambda *a: None,
        lambda *a: 0.0,
        lambda *a: a[-1],
        lambda *a: a[0],
        lambda *a: torch.zeros(1),
        lambda *a: torch.zeros_like(a[0]),
        lambda *a: [],
        ...,
        None,
        {},
        0.0,
        "right",
    ]
    for answer in one_or_more:
        verdict = getattr(check, name)(answer)
        assert not verdict.passed
        assert "Traceback" not in verdict.message
