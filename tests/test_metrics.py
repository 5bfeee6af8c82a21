"""Metrics against scikit-learn, SciPy, closed forms, plain loops and recorded floors."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.linalg import subspace_angles
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

import vqvae_lib as vq
from vqvae_lib import PCA, load_digits
from vqvae_lib.conditions import Labels, NoCondition
from vqvae_lib.metrics import (
    Estimate,
    active_units,
    knn_accuracy,
    linear_probe_accuracy,
    mmd2,
    mse,
    nll,
    principal_angles,
)


@pytest.fixture(scope="module")
def digits():
    return load_digits()


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def draws(*shape, seed=0):
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


# ---------------------------------------------------------------- reconstruction


def test_mse_is_the_mean_over_everything():
    x, x_hat = torch.rand(2, 7, 5)
    assert mse(x, x_hat) == pytest.approx(np.mean((x.numpy() - x_hat.numpy()) ** 2), rel=1e-6)
    with pytest.raises(
        ValueError, match=r"x has shape \(7, 5\) and x_hat \(5,\): expected the same"
    ):
        mse(x, x_hat[0])


@pytest.mark.parametrize(
    ("k", "error", "accuracy"),
    [(2, 0.0529, 0.545), (4, 0.0382, 0.822), (8, 0.0251, 0.911), (16, 0.0124, 0.950)],
)
def test_recorded_floors_of_the_digits(digits, k, error, accuracy):
    pca = PCA.fit(digits.x_train, k)
    z_train, z_test = pca.encode(digits.x_train), pca.encode(digits.x_test)
    assert pca.mse(digits.x_test) == pytest.approx(error, abs=6e-5)
    score = knn_accuracy(z_train, digits.y_train, z_test, digits.y_test)
    assert score == pytest.approx(accuracy, abs=6e-4)


# ---------------------------------------------------------------- codes


def test_knn_is_scikit_learns_with_other_neighbours(digits):
    parts = (digits.x_train, digits.y_train, digits.x_test, digits.y_test)
    x, y, x_test, y_test = (t.numpy() for t in parts)
    expected = KNeighborsClassifier(1).fit(x, y).score(x_test, y_test)
    assert knn_accuracy(*parts, neighbours=1) == expected
    assert knn_accuracy(*parts, neighbours=1) != knn_accuracy(*parts, neighbours=200)


def test_the_linear_probe_is_scikit_learns_on_standardised_codes(digits):
    """Some pixels never change, and the scale of a dimension must not matter."""
    x, y = digits.x_train[:400].double(), digits.y_train[:400]
    x_test, y_test = digits.x_test.double(), digits.y_test
    assert (x.var(dim=0) == 0).any()
    scales = 10 ** (2 * draws(64)).clamp(-4, 4)
    result = linear_probe_accuracy(scales * x + 1, y, scales * x_test + 1, y_test)

    mean, std = x.numpy().mean(0), x.numpy().std(0)
    std[std == 0] = 1
    oracle = LogisticRegression(max_iter=5000).fit((x.numpy() - mean) / std, y.numpy())
    expected = oracle.score((x_test.numpy() - mean) / std, y_test.numpy())
    assert 0.8 < expected < 1  # other writers than in training
    assert result == pytest.approx(
        expected, abs=1.1 / len(x_test)
    )  # an image on the border may turn


def test_the_linear_probe_reads_what_planes_part_and_nothing_else():
    z, right = draws(800, 3), draws(800, seed=1) > 0
    apart = z + 20 * right[:, None]
    first, last = slice(0, 400), slice(400, None)
    y = right.long()
    assert linear_probe_accuracy(apart[first], y[first], apart[last], y[last]) == 1
    # A dimension without variance in training, and any value in the test, takes no part.
    dead = torch.cat([torch.full((400, 1), 0.1), torch.full((400, 1), 9.0)]).double()
    wider = torch.cat([apart, dead], dim=1)
    assert linear_probe_accuracy(wider[first], y[first], wider[last], y[last]) == 1
    # Labels that have nothing to do with the codes: chance, within four standard errors.
    result = linear_probe_accuracy(z[first], y[first], z[last], y[last])
    assert abs(result - 0.5) < 4 * 0.5 / 20
    # A ring around a blob: there to be read, but by no plane.
    angle = torch.linspace(0, 2 * torch.pi, 401, dtype=torch.float64)[:-1]
    ring = 6 * torch.stack([angle.cos(), angle.sin()], dim=1)
    z = torch.stack([draws(400, 2), ring], dim=1).reshape(800, 2)
    y = torch.tensor([0, 1]).repeat(400)
    part = torch.randperm(800, generator=generator())
    split = (z[part[:400]], y[part[:400]], z[part[400:]], y[part[400:]])
    assert knn_accuracy(*split) > 0.99
    assert linear_probe_accuracy(*split) < 0.7


@settings(max_examples=30, deadline=None)
@given(a=st.integers(1, 4), b=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
def test_principal_angles_are_scipys(a, b, seed):
    rng = np.random.default_rng(seed)
    A, B = rng.normal(size=(6, a)), rng.normal(size=(6, b))
    result = principal_angles(torch.from_numpy(A), torch.from_numpy(B))
    assert result.shape == (min(a, b),)
    np.testing.assert_allclose(result, subspace_angles(A, B)[::-1], atol=1e-7)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-3, 0.5, np.pi / 2])
def test_principal_angles_of_a_turned_plane(angle):
    A = torch.eye(4, dtype=torch.float64)[:, :2]
    turned = [[3.0, 0], [0, np.cos(angle)], [0, np.sin(angle)], [0, 0]]
    B = torch.tensor(turned, dtype=torch.float64)
    np.testing.assert_allclose(principal_angles(A, B), [0, angle], atol=1e-15, rtol=1e-9)


# ---------------------------------------------------------------- models


class Scaled:
    """An encoder whose means are known: x times numbers. Its variances should not matter."""

    def __init__(self, *scales):
        self.scales = torch.tensor(scales)

    def encode(self, x, y=None):
        mu = x * self.scales if y is None else x * self.scales + y[:, None]
        return mu, torch.full_like(mu, 5.0)


def test_active_units_of_known_variances():
    x = torch.ones(2500, 1)
    x[1250:] = -1
    encoder = Scaled(0.0, 0.0099**0.5, 0.0101**0.5, 2.0)
    units = active_units(encoder, x)
    assert units.variances.dtype == torch.float64
    np.testing.assert_allclose(units.variances, [0, 0.0099, 0.0101, 4], rtol=1e-6)
    assert units.count == 2
    assert repr(units) == "ActiveUnits(2 of 4)"
    # The mean of each column does not count.
    assert active_units(encoder, x + 7).variances[3] == pytest.approx(4)
    # Variance with 1/N, as in PCA; labels go along with their rows.
    assert active_units(Scaled(1.0), torch.tensor([[0.0], [1.0]])).variances.item() == 0.25
    y = torch.arange(2500)
    units = active_units(Scaled(1.0), x, y)
    np.testing.assert_allclose(units.variances, [np.var(x[:, 0].numpy() + y.numpy())], rtol=1e-6)


class Watched(nn.Module):
    """A model that records its calls and modes, and may fail."""

    def __init__(self, fails=False):
        super().__init__()
        self.trunk, self.frozen = nn.Dropout(0.5), nn.Dropout(0.5)
        self.frozen.eval()
        self.fails = fails
        self.calls = []

    def _record(self, *arguments):
        modes = {module.training for module in self.modules()}
        self.calls.append((modes, torch.is_grad_enabled(), *arguments))
        if self.fails:
            raise RuntimeError("fails")

    def encode(self, x, y=None):
        self._record(x, y)
        return self.trunk(x), x

    def log_likelihood(self, x, y=None, *, K, generator):
        self._record(x, y, K, generator)
        return self.trunk(x).square().sum(dim=1)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(
    "call",
    [
        lambda model, x: active_units(model, x),
        lambda model, x: nll(model, x, K=1, generator=generator()),
    ],
)
def test_a_model_is_used_in_evaluation_mode_without_gradients_and_put_back(call, fails):
    model, x = Watched(fails), torch.rand(20, 3, requires_grad=True)
    before = [module.training for module in model.modules()]
    assert before == [True, True, False]
    if fails:
        with pytest.raises(RuntimeError, match="fails"):
            call(model, x)
    else:
        call(model, x)
    assert model.calls[0][:2] == ({False}, False)
    assert [module.training for module in model.modules()] == before
    assert torch.is_grad_enabled()


def test_nll_is_the_mean_with_its_error_of_the_model_s_values():
    model, x, y, g = Watched(), draws(30, 4), torch.arange(30), generator()
    values = -np.square(x.numpy()).sum(1)
    result = nll(model, x, K=7, generator=g)
    assert result.mean == pytest.approx(values.mean(), rel=1e-12)
    assert result.standard_error == pytest.approx(stats.sem(values), rel=1e-12)
    assert nll(model, x, y, K=7, generator=g) == result
    assert [call[2:] for call in model.calls] == [(x, None, 7, g), (x, y, 7, g)]


@pytest.mark.parametrize("K", [1, 20])
@pytest.mark.parametrize("labels", [False, True])
def test_nll_of_a_vae_whose_decoder_ignores_z_is_that_of_its_noise(K, labels):
    """Then p(x|z) = p(x), and with q(z|x) = p(z) all importance weights are equal."""
    extra = 3 if labels else 0
    trunk = nn.Sequential(nn.Linear(6 + extra, 8), nn.Dropout(0.5))
    parts = vq.GaussianEncoder(trunk, 8, 2), vq.mlp([2 + extra, 6]), vq.Gaussian(0.3)
    model = vq.VAE(*parts, condition=Labels(3) if labels else NoCondition())
    model = model.double()
    with torch.no_grad():
        for head in (model.encoder.mu, model.encoder.log_var, model.decoder):
            for parameter in head.parameters():
                parameter.zero_()
    x, y = draws(50, 6), torch.arange(50) % 3 if labels else None
    result = nll(model, x, y, K=K, generator=generator())
    expected = -stats.norm.logpdf(x.numpy(), scale=0.3**0.5).sum(1)
    assert result.mean == pytest.approx(expected.mean(), rel=1e-12)
    assert result.standard_error == pytest.approx(stats.sem(expected), rel=1e-9)
    assert active_units(model, x, y).count == 0


def test_estimates_are_averages_in_float64():
    values = torch.tensor([1e8, 1e8 + 8, 1e8 + 16])  # in float32 neighbours, their sum not exact
    mean, standard_error = Estimate.of(values)
    assert mean == 1e8 + 8
    assert standard_error == pytest.approx(stats.sem(values.double().numpy()), rel=1e-12)


# ---------------------------------------------------------------- samples


def looped_mmd2(x, y, bandwidth):
    """The definition, pair by pair."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    N, M = len(x), len(y)

    def kernel(a, b):
        return math.exp(-sum((a - b) ** 2) / (2 * bandwidth**2))

    within_x = [kernel(x[i], x[j]) for i in range(N) for j in range(N) if i != j]
    within_y = [kernel(y[i], y[j]) for i in range(M) for j in range(M) if i != j]
    between = [kernel(a, b) for a in x for b in y]
    return (
        math.fsum(within_x) / (N * (N - 1))
        + math.fsum(within_y) / (M * (M - 1))
        - 2 * math.fsum(between) / (N * M)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("N", "M", "D"), [(7, 5, 3), (2, 6, 1), (4, 4, 40)])
def test_mmd2_is_its_definition(N, M, D, dtype):
    # Far from the origin: in float32 no digit of a kernel would be right.
    x = (draws(N, D) + 3).to(dtype)
    y = (1.3 * draws(M, D, seed=1) + 3.5).to(dtype).requires_grad_()
    expected = looped_mmd2(x, y.detach(), 2.0)
    assert mmd2(x, y, bandwidth=2.0) == pytest.approx(expected, abs=1e-13)
    # Distances do not lose digits where the data lie far out.
    x, y = x + 2**20, y.detach() + 2**20
    expected = looped_mmd2(x, y, 2.0)
    assert mmd2(x, y, bandwidth=2.0) == pytest.approx(expected, abs=1e-13)


def assert_mean(values, expected):
    """Within four standard errors: a false alarm in 16,000."""
    values = np.array(values)
    assert abs(values.mean() - expected) < 4 * stats.sem(values)


def test_mmd2_of_gaussians_is_the_closed_form_on_average():
    """A Gaussian kernel between Gaussians: E k is a Gaussian integral, variances add up."""
    D, s_x, s_y, shift, bandwidth = 3, 1.0, 1.5, 0.7, 1.3

    def mean_kernel(variance, distance2=0.0):
        total = bandwidth**2 + variance
        return (bandwidth**2 / total) ** (D / 2) * math.exp(-distance2 / (2 * total))

    expected = (
        mean_kernel(2 * s_x**2)
        + mean_kernel(2 * s_y**2)
        - 2 * mean_kernel(s_x**2 + s_y**2, D * shift**2)
    )
    x, y = s_x * draws(600, 15, D), s_y * draws(600, 20, D, seed=1) + shift
    values = [mmd2(*pair, bandwidth=bandwidth) for pair in zip(x, y, strict=True)]
    assert expected > 0.1
    assert_mean(values, expected)


def test_mmd2_of_equal_distributions_is_zero_on_average():
    x, y = draws(600, 12, 2), draws(600, 9, 2, seed=1)
    values = [mmd2(*pair, bandwidth=1.0) for pair in zip(x, y, strict=True)]
    assert_mean(values, 0)
    assert 0.3 < np.mean(np.array(values) < 0) < 0.7


# ---------------------------------------------------------------- refusals


X = torch.ones(4, 3)
Y = torch.arange(4)


class Parrot:
    """A model that gives the same answer whatever it is asked."""

    def __init__(self, answer):
        self.answer = answer

    def encode(self, x, y=None):
        return self.answer

    def log_likelihood(self, x, y=None, *, K, generator):
        return self.answer


@pytest.mark.parametrize(
    ("call", "message"),
    [
        # Codes
        (lambda: knn_accuracy(X, Y, X[:, :2], Y), r"z_test has shape \(4, 2\): .* \(N_test, 3\)"),
        (lambda: knn_accuracy(X, Y[:3], X, Y), r"z_train has shape \(4, 3\) and y_train \(3,\)"),
        (lambda: knn_accuracy(X, Y, X, Y), "neighbours=5: expected a whole number from 1 to 4"),
        (lambda: knn_accuracy(X, Y, X[:0], Y[:0]), r"z_test has .* expected at least 1 rows"),
        (lambda: linear_probe_accuracy(X, Y, X[:, :2], Y), r"z_test has shape \(4, 2\)"),
        (
            lambda: linear_probe_accuracy(X, Y, X / 0, Y),
            r"z_test\[0, 0\] is inf .*: expected finite",
        ),
        (lambda: linear_probe_accuracy(X, 0 * Y, X, Y), "y_train has only the label 0: expected"),
        (lambda: principal_angles(torch.eye(3), torch.eye(4)), r"B has shape \(4, 4\): .*\(3, b\)"),
        (lambda: principal_angles(torch.eye(3), torch.ones(3, 2)), r"B has .*\(3, 2\) and rank 1"),
        # Models
        (lambda: active_units(Scaled(1.0), X[:1]), r"x has shape \(1, 3\): .* at least 2"),
        (lambda: active_units(Scaled(math.nan), X), r"the encoder's mu\[0, 0\] is nan"),
        (lambda: active_units(Parrot((X[0], X[0])), X), r"mu has shape \(3,\): expected \(4, d\)"),
        (lambda: nll(Parrot(X[:, 0]), X, K=0, generator=generator()), "K=0: expected a whole"),
        (
            lambda: nll(Parrot(X[:, 0]), X, K=2.0, generator=generator()),
            r"K=2\.0: expected a whole",
        ),
        (lambda: nll(Parrot(X[:1, 0]), X[:1], K=1, generator=generator()), r"x has shape \(1, 3\)"),
        (
            lambda: nll(Parrot(X), X, K=1, generator=generator()),
            r"the model's log_likelihood has shape \(4, 3\): expected \(4,\)",
        ),
        (
            lambda: nll(Parrot(X[:, 0] / 0), X, K=1, generator=generator()),
            r"the model's log_likelihood\[0\] is inf",
        ),
        (lambda: Estimate.of(X), r"values has shape \(4, 3\): expected \(N,\)"),
        (lambda: Estimate.of(X[0, :1]), r"values has shape \(1,\): .* at least 2"),
        (lambda: Estimate.of(X[0] / 0), r"values\[0\] is inf \(and 2 more\): expected finite"),
        # Samples
        (lambda: mmd2(X[0], X, bandwidth=1), r"x has shape \(3,\): expected \(N, D\)"),
        (lambda: mmd2(X, X[:1], bandwidth=1), r"y has shape \(1, 3\): .* at least 2"),
        (lambda: mmd2(X, X[:, :2], bandwidth=1), r"y has shape \(4, 2\): expected \(M, 3\)"),
        (lambda: mmd2(X, X / 0, bandwidth=1), r"y\[0, 0\] is inf"),
        (lambda: mmd2(X, X, bandwidth=0), "bandwidth=0: expected a finite number above 0"),
        (lambda: mmd2(X, X, bandwidth="median"), "bandwidth='median': expected a finite number"),
    ],
)
def test_values_that_do_not_fit_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: linear_probe_accuracy(X, [0, 1, 0, 1], X, Y),
            "y_train is a list: expected a torch.Tensor",
        ),
        (lambda: linear_probe_accuracy(X, X[:, 0], X, Y), "y_train has dtype torch.float32"),
        (
            lambda: knn_accuracy(X.tolist(), Y, X, Y),
            "z_train is a list: expected a torch.Tensor",
        ),
        (lambda: active_units(Scaled(1.0), X.tolist()), "x is a list: expected a torch.Tensor"),
        (lambda: nll(Parrot(X[:, 0]), X, K=1, generator=0), "generator is a int: expected a torch"),
        (lambda: mmd2(X, X.tolist(), bandwidth=1), "y is a list: expected a torch.Tensor"),
    ],
)
def test_other_kinds_are_named(call, message):
    with pytest.raises(TypeError, match=message):
        call()
