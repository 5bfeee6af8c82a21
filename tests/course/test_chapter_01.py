"""Planted wrong answers of chapter 1: each gets the message that was meant for it."""

import pytest
import torch
from torch import nn

import vqvae_lib as vq
from vqvae_lib.course.exercises import check
from vqvae_lib.course.exercises.chapter_01.exercise_3 import NOISE_STD


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


def directions_of(x_train):
    return torch.linalg.svd(x_train - x_train.mean(0), full_matrices=False).Vh


def project_uncentred_x(x_train, x, d):
    basis = directions_of(x_train)[:d]
    return x_train.mean(0) + x @ basis.T @ basis


def project_columns(x_train, x, d):
    basis = directions_of(x_train)[:, :d]
    return x_train.mean(0) + (x - x_train.mean(0)) @ basis @ basis.T


def project_own_mean(x_train, x, d):
    basis = directions_of(x_train)[:d]
    return x.mean(0) + (x - x.mean(0)) @ basis.T @ basis


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
        (lambda x_train, x, d: "PCA", "type"),
        (lambda x_train, x, d: project(x_train, x, d) + 0j, "type"),
        (lambda x_train, x, d: project_uncentred_x(x_train, x, d), "x-not-centred"),
        (lambda x_train, x, d: project(x_train, x, d) - x_train.mean(0) + 0 * x, "mean-not-added"),
        (lambda x_train, x, d: project_columns(x_train, x, d), "columns"),
        (lambda x_train, x, d: project_own_mean(x_train, x, d), "own-mean"),
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
    assert check.ex_01_1(lambda *a: project(*a).numpy()).passed
    assert check.ex_01_1(lambda *a: project(*a).tolist()).passed


# Exercise 2 ---------------------------------------------------------------------------------------


class Linear(nn.Module):
    """PCA dressed as a model."""

    def __init__(self, x, d):
        super().__init__()
        self.pca = vq.PCA.fit(x, d)

    def encode(self, x):
        return self.pca.encode(x)

    def decode(self, z):
        return self.pca.decode(z)


class Cheat(nn.Module):
    """Remembers its input on the side."""

    def __init__(self, d):
        super().__init__()
        self.d = d

    def encode(self, x):
        self.seen = x
        return x[:, : self.d]

    def decode(self, z):
        return self.seen[: len(z)]


class LookUp(nn.Module):
    """Has memorised the test digits: the code is an index."""

    def __init__(self, x, d):
        super().__init__()
        self.x, self.d = x, d

    def encode(self, x):
        index = torch.cdist(x, self.x).argmin(1)
        return index[:, None].float().expand(-1, self.d)

    def decode(self, z):
        return self.x[z[:, 0].round().long().clamp(0, len(self.x) - 1)]


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
        ({d: Cheat(64) for d in (2, 4, 8)}, "shape"),
        ({d: Cheat(d) for d in (2, 4, 8)}, "untrained"),
        ({d: LookUp(digits.x_test, d) for d in (2, 4, 8)}, "too-good"),
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
    weak = vq.mlp_autoencoder(64, 64, 32, activation="silu")
    weak = vq.DenoisingAutoencoder(weak.encoder, weak.decoder, noise_std=NOISE_STD)
    vq.fit(weak, x, epochs=4, lr=3e-3)  # a network, so never to be told that it is linear

    def look_up(y):
        return digits.x_test[torch.cdist(y, digits.x_test).argmin(1)]

    for answer, kind in (
        (lambda y: digits.x_test, "worse-than-noisy"),
        (look_up, "too-good"),
        (weak, "above-linear"),
        (lambda y: best(y).clamp(0, 1), "linear"),
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
    """Codes on a circle; half-way between opposite ones the decoder draws a dark block."""

    def __init__(self, x):
        super().__init__()
        self.x = x
        angle = torch.linspace(0, 2 * torch.pi, len(x) + 1)[:-1]
        self.codes = torch.stack([angle.cos(), angle.sin()], dim=1)

    def encode(self, x):
        return self.codes[torch.cdist(x, self.x).argmin(1)]

    def decode(self, z):
        nearest = torch.cdist(z, self.codes).min(1)
        image = self.x[nearest.indices]
        return torch.where(nearest.values[:, None] > 0.5, torch.full_like(image, 0.9), image)


class Noisy(Holed):
    """As above, a little off everywhere, so that a usual reconstruction has a distance."""

    def decode(self, z):
        return super().decode(z) + 0.1


class Blurred(Noisy):
    """Draws the mean of all digits in the hole: blur, which is far from each of them."""

    def decode(self, z):
        hole = torch.cdist(z, self.codes).amin(1) > 0.5
        return torch.where(hole[:, None], self.x.mean(0), super().decode(z))


def test_blur_is_no_hole(digits):
    verdict = check.ex_01_4(Blurred(digits.x_train), 0, len(digits.x_train) // 2)
    assert verdict.kind == "no-hole", verdict


class Offset(nn.Module):
    """A model with a constant added to its images, so that it has a given error on x."""

    def __init__(self, model, x, *, error):
        super().__init__()
        self.model = model
        with torch.no_grad():
            residual = model(x) - x
            # mean((residual + c)²) = error, solved for c.
            m, q = float(residual.mean()), float((residual**2).mean())
        self.offset = -m + (m * m - q + error) ** 0.5

    def encode(self, x):
        return self.model.encode(x)

    def decode(self, z):
        return self.model.decode(z) + self.offset

    def forward(self, x):
        return self.decode(self.encode(x))


def test_sweep_names_the_width_that_gains_most(trained, digits):
    # The widest model made just a little better than PCA, by an offset on every pixel.
    short = dict(trained)
    floor = vq.PCA.fit(digits.x_train, 8).mse(digits.x_test)
    short[8] = Offset(trained[8], digits.x_test, error=0.97 * floor)
    for models in (trained, short):
        gains = {}
        for d, model in models.items():
            with torch.no_grad():
                error = vq.mse(digits.x_test, model(digits.x_test))
            gains[d] = 1 - error / vq.PCA.fit(digits.x_train, d).mse(digits.x_test)
        best = max(gains, key=gains.get)
        assert f"gains most at d = {best}" in check.ex_01_2(models).message


def test_hole_verdicts(digits):
    holed = Noisy(digits.x_train)
    opposite = len(digits.x_train) // 2
    for i, j, kind in (
        (3, 4, "no-hole"),
        (3, 3, "same"),
        (3, 5000, "index"),
        (-1, 3, "index"),
        (0.5, 3, "index"),
        ("three", 4, "type"),
    ):
        verdict = check.ex_01_4(holed, i, j)
        assert (verdict.status, verdict.kind) == ("wrong", kind), verdict
    untrained = vq.mlp_autoencoder(64, 16, 2)
    assert check.ex_01_4(untrained, 3, 4).kind == "untrained"
    assert check.ex_01_4(holed, 0, opposite).passed
    assert check.ex_01_4(holed, torch.tensor(0), opposite).passed
    assert check.ex_01_4(holed, ..., ...).status == "unattempted"


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
