"""Metrics against scikit-learn, SciPy, closed forms, plain loops and the published floors."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA as SklearnPCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

import vqvae_lib as vq
from vqvae_lib import load_digits
from vqvae_lib.metrics import (
    Estimate,
    active_units,
    kid,
    knn_accuracy,
    linear_probe_accuracy,
    mmd2,
    mse,
    nll,
    pca,
    pca_floor,
    principal_angles,
    two_sample_test,
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
    with pytest.raises(ValueError, match=r"x \(7, 5\) and x_hat \(5,\): expected the same"):
        mse(x, x_hat[0])


@pytest.mark.parametrize("k", [1, 5, 64])
def test_pca_is_scikit_learns(digits, k):
    x = digits.x_train.double()
    ours, theirs = pca(x, k), SklearnPCA(k, svd_solver="full").fit(x.numpy())
    N = len(x)
    np.testing.assert_allclose(ours.mean, theirs.mean_, atol=1e-13)
    np.testing.assert_allclose(
        ours.eigenvalues[:k] * N / (N - 1), theirs.explained_variance_, rtol=1e-9, atol=1e-12
    )
    # The last directions have no variance: any basis of them is right.
    found = min(k, 50)
    cosines = ours.components[:found].numpy() @ theirs.components_[:found].T
    np.testing.assert_allclose(np.abs(cosines), np.eye(found), atol=1e-7)
    np.testing.assert_allclose(
        ours.decode(ours.encode(x)),
        theirs.inverse_transform(theirs.transform(x.numpy())),
        atol=1e-10,
    )


def test_pca_keeps_type_and_promises(digits):
    fitted = pca(digits.x_train, 3)
    assert repr(fitted) == "PCA(k=3, D=64)"
    assert {t.dtype for t in (fitted.mean, fitted.components, fitted.eigenvalues)} == {
        torch.float32
    }
    assert fitted.components.shape == (3, 64)
    assert fitted.eigenvalues.shape == (64,)
    assert (fitted.eigenvalues.diff() <= 0).all()
    # The largest entry of each direction is positive, whatever the machine returned.
    assert (fitted.components.max(dim=1).values == fitted.components.abs().max(dim=1).values).all()
    # What is left out is what is lost.
    left = mse(digits.x_train, fitted.decode(fitted.encode(digits.x_train)))
    assert left * 64 == pytest.approx(fitted.eigenvalues[3:].sum().item(), rel=1e-5)


@pytest.mark.parametrize(
    ("k", "error", "accuracy"),
    [(2, 0.0532, 0.617), (4, 0.0379, 0.853), (8, 0.0247, 0.953), (16, 0.0116, 0.975)],
)
def test_published_floors_of_the_digits(digits, k, error, accuracy):
    fitted = pca(digits.x_train, k)
    z_train, z_test = fitted.encode(digits.x_train), fitted.encode(digits.x_test)
    assert pca_floor(digits.x_train, digits.x_test, k) == pytest.approx(error, abs=6e-5)
    found = knn_accuracy(z_train, digits.y_train, z_test, digits.y_test)
    assert found == pytest.approx(accuracy, abs=6e-4)


# ---------------------------------------------------------------- codes


def test_knn_is_scikit_learns_with_other_neighbours(digits):
    parts = (digits.x_train, digits.y_train, digits.x_test, digits.y_test)
    x, y, x_test, y_test = (t.numpy() for t in parts)
    expected = KNeighborsClassifier(1).fit(x, y).score(x_test, y_test)
    assert knn_accuracy(*parts, neighbours=1) == expected
    assert knn_accuracy(*parts, neighbours=1) != knn_accuracy(*parts, neighbours=200)


def test_the_linear_probe_is_scikit_learns_on_standardised_codes(digits):
    """Three of the pixels are white in all images, and no scale of a dimension has a say."""
    x, y = digits.x_train[:400].double(), digits.y_train[:400]
    x_test, y_test = digits.x_test.double(), digits.y_test
    assert (x.var(dim=0) == 0).any()
    scales = 10 ** (2 * draws(64)).clamp(-4, 4)
    found = linear_probe_accuracy(scales * x + 1, y, scales * x_test + 1, y_test)

    mean, std = x.numpy().mean(0), x.numpy().std(0)
    std[std == 0] = 1
    oracle = LogisticRegression(max_iter=5000).fit((x.numpy() - mean) / std, y.numpy())
    wanted = oracle.score((x_test.numpy() - mean) / std, y_test.numpy())
    assert 0.9 < wanted < 1
    assert found == pytest.approx(wanted, abs=1.1 / len(x_test))  # an image on the border may turn


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
    found = linear_probe_accuracy(z[first], y[first], z[last], y[last])
    assert abs(found - 0.5) < 4 * 0.5 / 20
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
    found = principal_angles(torch.from_numpy(A), torch.from_numpy(B))
    assert found.shape == (min(a, b),)
    np.testing.assert_allclose(found, subspace_angles(A, B)[::-1], atol=1e-7)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-3, 0.5, np.pi / 2])
def test_principal_angles_of_a_turned_plane(angle):
    A = torch.eye(4, dtype=torch.float64)[:, :2]
    turned = [[3.0, 0], [0, np.cos(angle)], [0, np.sin(angle)], [0, 0]]
    B = torch.tensor(turned, dtype=torch.float64)
    np.testing.assert_allclose(principal_angles(A, B), [0, angle], atol=1e-15, rtol=1e-9)


# ---------------------------------------------------------------- models


class Scaled:
    """An encoder whose means are known: x times numbers. What it says of variances is noise."""

    def __init__(self, *scales):
        self.scales = torch.tensor(scales)
        self.rows = []

    def encode(self, x, y=None):
        self.rows.append(len(x))
        mu = x * self.scales if y is None else x * self.scales + y[:, None]
        return mu, torch.full_like(mu, 5.0)


def test_active_units_of_known_variances():
    # Half of the data 1, then half -1: variance 1, though not within the parts that are encoded.
    x = torch.ones(2500, 1)
    x[1250:] = -1
    encoder = Scaled(0.0, 0.0099**0.5, 0.0101**0.5, 2.0)
    found = active_units(encoder, x)
    assert found.variances.dtype == torch.float64
    np.testing.assert_allclose(found.variances, [0, 0.0099, 0.0101, 4], rtol=1e-6)
    assert found.count == 2
    assert repr(found) == "ActiveUnits(2 of 4)"
    assert max(encoder.rows) <= 1000
    assert sum(encoder.rows) == 2500
    # The mean of each column does not count, the threshold does not belong to what is active.
    assert active_units(encoder, x + 7).variances[3] == pytest.approx(4)
    exact, pair = Scaled(0.5, 1.0), torch.tensor([[1.0], [-1.0]])
    assert [active_units(exact, pair, threshold=t).count for t in (0.2, 0.25, 1.0)] == [2, 1, 0]
    # Variance with 1/N, as in PCA; labels go along with their rows.
    assert active_units(Scaled(1.0), torch.tensor([[0.0], [1.0]])).variances.item() == 0.25
    y = torch.arange(2500)
    found = active_units(Scaled(1.0), x, y)
    np.testing.assert_allclose(found.variances, [np.var(x[:, 0].numpy() + y.numpy())], rtol=1e-6)


class Watched(nn.Module):
    """A model that says what it was called with, in which mode, and may fail."""

    def __init__(self, fails=False):
        super().__init__()
        self.trunk, self.frozen = nn.Dropout(0.5), nn.Dropout(0.5)
        self.frozen.eval()
        self.fails = fails
        self.seen = []

    def _see(self, *what):
        modes = {module.training for module in self.modules()}
        self.seen.append((modes, torch.is_grad_enabled(), *what))
        if self.fails:
            raise RuntimeError("fails")

    def encode(self, x):
        self._see(x)
        return self.trunk(x), x

    def log_likelihood(self, *data, K, generator):
        self._see(*data, K, generator)
        return self.trunk(data[0]).square().sum(dim=1)


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
    assert model.seen[0][:2] == ({False}, False)
    assert [module.training for module in model.modules()] == before
    assert torch.is_grad_enabled()


def test_nll_is_the_mean_with_its_error_of_what_the_model_says():
    model, x, y, g = Watched(), draws(30, 4), torch.arange(30), generator()
    values = -np.square(x.numpy()).sum(1)
    found = nll(model, x, K=7, generator=g)
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found.standard_error == pytest.approx(stats.sem(values), rel=1e-12)
    assert nll(model, x, y, K=7, generator=g) == found
    assert [seen[2:] for seen in model.seen] == [(x, 7, g), (x, y, 7, g)]


@pytest.mark.parametrize("K", [1, 20])
@pytest.mark.parametrize("labels", [False, True])
def test_nll_of_a_vae_whose_decoder_ignores_z_is_that_of_its_noise(K, labels):
    """Then p(x|z) = p(x), and with q(z|x) = p(z) all importance weights are equal."""
    extra = 3 if labels else 0
    trunk = nn.Sequential(nn.Linear(6 + extra, 8), nn.Dropout(0.5))
    parts = vq.GaussianEncoder(trunk, 8, 2), vq.mlp([2 + extra, 6]), vq.Gaussian(0.3)
    model = vq.VAE(*parts, n_classes=3 if labels else None)
    model = model.double()
    model.likelihood.fixed_variance.fill_(0.3)  # exactly, since it was stored in float32
    with torch.no_grad():
        for head in (model.encoder.mu, model.encoder.log_var, model.decoder):
            for parameter in head.parameters():
                parameter.zero_()
    x, y = draws(50, 6), torch.arange(50) % 3 if labels else None
    found = nll(model, x, y, K=K, generator=generator())
    wanted = -stats.norm.logpdf(x.numpy(), scale=0.3**0.5).sum(1)
    assert found.mean == pytest.approx(wanted.mean(), rel=1e-12)
    assert found.standard_error == pytest.approx(stats.sem(wanted), rel=1e-9)
    assert active_units(model, x, y).count == 0


def test_estimates_are_averages_in_float64():
    values = torch.tensor([1e8, 1e8 + 8, 1e8 + 16])  # in float32 neighbours, their sum not exact
    mean, standard_error = Estimate.of(values)
    assert mean == 1e8 + 8
    assert standard_error == pytest.approx(stats.sem(values.double().numpy()), rel=1e-12)


# ---------------------------------------------------------------- samples


def rbf(bandwidth):
    return lambda a, b: math.exp(-sum((a - b) ** 2) / (2 * bandwidth**2))


def polynomial(a, b):
    return (float(sum(a * b)) / len(a) + 1) ** 3


def looped_mmd2(x, y, kernel):
    """The definition, pair by pair."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    N, M = len(x), len(y)
    within_x = [kernel(x[i], x[j]) for i in range(N) for j in range(N) if i != j]
    within_y = [kernel(y[i], y[j]) for i in range(M) for j in range(M) if i != j]
    between = [kernel(a, b) for a in x for b in y]
    return (
        math.fsum(within_x) / (N * (N - 1))
        + math.fsum(within_y) / (M * (M - 1))
        - 2 * math.fsum(between) / (N * M)
    )


def looped_median(x, y):
    points = [*np.asarray(x, dtype=np.float64), *np.asarray(y, dtype=np.float64)]
    distances = sorted(math.dist(a, b) for i, a in enumerate(points) for b in points[:i])
    return distances[(len(distances) - 1) // 2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("N", "M", "D"), [(7, 5, 3), (2, 6, 1), (4, 4, 40)])
def test_mmd2_is_its_definition(N, M, D, dtype):
    # Far from the origin: in float32 no digit of a kernel would be right.
    x = (draws(N, D) + 3).to(dtype)
    y = (1.3 * draws(M, D, seed=1) + 3.5).to(dtype).requires_grad_()
    wanted = looped_mmd2(x, y.detach(), rbf(2.0))
    assert mmd2(x, y, kernel="rbf", bandwidth=2.0) == pytest.approx(wanted, abs=1e-13)
    wanted = looped_mmd2(x, y.detach(), rbf(looped_median(x, y.detach())))
    assert mmd2(x, y, kernel="rbf") == pytest.approx(wanted, abs=1e-13)
    wanted = looped_mmd2(x, y.detach(), polynomial)
    assert mmd2(x, y, kernel="polynomial") == pytest.approx(wanted, rel=1e-10)
    # Distances do not lose digits where the data lie far out.
    x, y = x + 2**20, y.detach() + 2**20
    wanted = looped_mmd2(x, y, rbf(2.0))
    assert mmd2(x, y, kernel="rbf", bandwidth=2.0) == pytest.approx(wanted, abs=1e-13)


def test_a_median_of_zero_is_seen_through_rounding():
    for seed in range(10):
        other, point = draws(2, 1, 784, seed=seed)
        with pytest.raises(ValueError, match="bandwidth='median' is 0, half of all pairs"):
            mmd2(torch.cat([other, point.expand(20, -1)]), point.expand(20, -1), kernel="rbf")


def assert_mean(values, wanted):
    """Within four standard errors: a false alarm in 16,000."""
    values = np.array(values)
    assert abs(values.mean() - wanted) < 4 * stats.sem(values)


def test_mmd2_of_gaussians_under_the_rbf_kernel_is_the_closed_form_on_average():
    """A Gaussian kernel between Gaussians: E k is a Gaussian integral, variances add up."""
    D, s_x, s_y, shift, bandwidth = 3, 1.0, 1.5, 0.7, 1.3

    def expected(variance, distance2=0.0):
        total = bandwidth**2 + variance
        return (bandwidth**2 / total) ** (D / 2) * math.exp(-distance2 / (2 * total))

    wanted = (
        expected(2 * s_x**2) + expected(2 * s_y**2) - 2 * expected(s_x**2 + s_y**2, D * shift**2)
    )
    x, y = s_x * draws(600, 15, D), s_y * draws(600, 20, D, seed=1) + shift
    found = [mmd2(*pair, kernel="rbf", bandwidth=bandwidth) for pair in zip(x, y, strict=True)]
    assert wanted > 0.1
    assert_mean(found, wanted)


def test_mmd2_under_the_polynomial_kernel_is_the_distance_of_three_moments_on_average():
    """In one dimension (xy + 1)³ = 1 + 3 xy + 3 x²y² + x³y³."""
    shift = 0.5
    moments_x, moments_y = (0, 1, 0), (shift, 1 + shift**2, shift**3 + 3 * shift)
    a, b, c = ((p - q) ** 2 for p, q in zip(moments_x, moments_y, strict=True))
    x, y = draws(1000, 15, 1), draws(1000, 20, 1, seed=1) + shift
    found = [mmd2(*pair, kernel="polynomial") for pair in zip(x, y, strict=True)]
    assert_mean(found, 3 * a + 3 * b + c)


@pytest.mark.parametrize("options", [{"kernel": "rbf", "bandwidth": 1.0}, {"kernel": "polynomial"}])
def test_mmd2_of_equal_distributions_is_zero_on_average(options):
    x, y = draws(600, 12, 2), draws(600, 9, 2, seed=1)
    found = [mmd2(*pair, **options) for pair in zip(x, y, strict=True)]
    assert_mean(found, 0)
    assert 0.3 < np.mean(np.array(found) < 0) < 0.7


def test_kid_is_the_average_over_its_subsets():
    x, y = draws(12, 4), draws(9, 4, seed=1) + 0.5
    g, values = generator(3), []
    for _ in range(5):
        i, j = (torch.randperm(n, generator=g)[:6] for n in (12, 9))
        values.append(looped_mmd2(x[i], y[j], polynomial))
    found = kid(x, y, subsets=5, subset_size=6, seed=3)
    assert found.mean == pytest.approx(np.mean(values), rel=1e-10)
    assert found.standard_error == pytest.approx(stats.sem(values), rel=1e-10)
    assert kid(x, y, subsets=5, subset_size=6, seed=4) != found
    # Subsets as large as the data are the data.
    whole = kid(x[:9], y, subsets=2, subset_size=9, seed=0)
    assert whole.mean == pytest.approx(looped_mmd2(x[:9], y, polynomial), rel=1e-12)
    assert whole.standard_error < 1e-12


@pytest.mark.parametrize("shift", [0.0, 0.6])
@pytest.mark.parametrize("kernel", ["rbf", "polynomial"])
def test_the_test_is_a_loop_over_permutations(kernel, shift):
    x, y = draws(6, 2), draws(5, 2, seed=1) + shift
    found = two_sample_test(x, y, kernel=kernel, permutations=60, seed=7)
    k = polynomial if kernel == "polynomial" else rbf(looped_median(x, y))
    observed, points, g = looped_mmd2(x, y, k), torch.cat([x, y]), generator(7)
    as_much = 0
    for _ in range(60):
        order = torch.randperm(11, generator=g)
        as_much += looped_mmd2(points[order[:6]], points[order[6:]], k) >= observed - 1e-12
    assert found.mmd2 == pytest.approx(observed, rel=1e-10)
    assert found.p_value == pytest.approx((1 + as_much) / 61, rel=1e-12)
    assert found.p_value < 1


def test_p_values_of_equal_distributions_are_uniform():
    """The Kolmogorov distance of 200 uniform numbers is above 0.115 in one case of a hundred."""
    x, y = draws(200, 10, 2), draws(200, 8, 2, seed=1)
    found = [
        two_sample_test(a, b, kernel="rbf", permutations=99, seed=seed).p_value
        for seed, (a, b) in enumerate(zip(x, y, strict=True))
    ]
    assert stats.kstest(found, "uniform").statistic < 0.115
    assert min(found) >= 1 / 100


@pytest.mark.parametrize("kernel", ["rbf", "polynomial"])
def test_the_test_finds_a_shift_and_a_wider_spread(kernel):
    x, other = draws(100, 3), draws(100, 3, seed=1)
    for y in (other + 1, 2 * other):
        found = two_sample_test(x, y, kernel=kernel, permutations=199, seed=0)
        assert found.p_value == 1 / 200
    assert two_sample_test(x, other, kernel=kernel, permutations=199, seed=0).p_value > 0.05


@pytest.mark.parametrize("kernel", ["rbf", "polynomial"])
def test_splits_that_only_change_names_are_ties(kernel):
    """Of the 6 splits of 4 points in two pairs, the one at hand and its mirror image are equal."""
    for seed in range(10):
        x, y = draws(2, 3, seed=seed), draws(2, 3, seed=seed + 100) + 9
        found = two_sample_test(x, y, kernel=kernel, permutations=999, seed=seed)
        assert abs(found.p_value - 1 / 3) < 4 * (2 / 9 / 999) ** 0.5
    # If all points are one point, nothing can be found.
    same = torch.full((5, 2), 0.3)
    options = {"bandwidth": 0.1} if kernel == "rbf" else {}
    assert two_sample_test(same, same, kernel=kernel, seed=0, **options) == (0, 1)


# ---------------------------------------------------------------- refusals


X = torch.ones(4, 3)


class Gives:
    """A model that gives the same whatever it is asked."""

    def __init__(self, answer):
        self.answer = answer

    def encode(self, x):
        return self.answer

    def log_likelihood(self, x, y=None, *, K, generator):
        return self.answer


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pca(torch.zeros(5), 1), r"x has shape \(5,\): expected \(N, D\)"),
        (lambda: pca(torch.zeros(5, 3), 4), r"k=4 does not fit x of shape \(5, 3\): .* 1 to 3"),
        (lambda: pca(torch.full((5, 3), torch.nan), 1), "x holds nan or inf"),
        (lambda: pca_floor(torch.zeros(5, 3), torch.zeros(5, 4), 1), r"x_test has .*\(5, 4\)"),
        (
            lambda: knn_accuracy(*map(torch.zeros, [(9, 2), (9,), (4, 3), (4,)])),
            r"z_test \(4, 3\) and y_test \(4,\)",
        ),
        (
            lambda: knn_accuracy(*map(torch.zeros, [(9, 2), (8,), (4, 2), (4,)])),
            r"z_train \(9, 2\) and y_train \(8,\)",
        ),
        (
            lambda: knn_accuracy(*map(torch.zeros, [(4, 2), (4,), (4, 2), (4,)])),
            "neighbours=5: expected 1 to 4",
        ),
        (
            lambda: knn_accuracy(*map(torch.zeros, [(9, 2), (9,), (0, 2), (0,)])),
            r"z_test \(0, 2\) and y_test \(0,\): .* none zero",
        ),
        (
            lambda: linear_probe_accuracy(*map(torch.zeros, [(9, 2), (9,), (4, 3), (4,)])),
            r"z_test \(4, 3\) and y_test \(4,\)",
        ),
        (
            lambda: linear_probe_accuracy(X, torch.arange(4), X / 0, torch.arange(4)),
            "z_test holds nan or inf",
        ),
        (
            lambda: linear_probe_accuracy(*map(torch.zeros, [(9, 2), (9,), (4, 2), (4,)])),
            r"y_train holds only the label 0\.0: expected two",
        ),
        (lambda: principal_angles(torch.eye(3), torch.eye(4)), r"A \(3, 3\) and B \(4, 4\)"),
        (lambda: principal_angles(torch.eye(3), torch.ones(3, 2)), r"B \(3, 2\) has rank 1"),
        # Models
        (lambda: active_units(Scaled(1.0), X[:1]), r"x has shape \(1, 3\): .* at least 2"),
        (lambda: active_units(Scaled(1.0), X[0]), r"x has shape \(3,\): expected \(N, \.\.\.\)"),
        (lambda: active_units(Scaled(1.0), X, X[:2]), r"y has shape \(2, 3\): expected \(4,\)"),
        (lambda: active_units(Scaled(1.0), X, threshold=-1), "threshold=-1: expected"),
        (lambda: active_units(Scaled(1.0), X, threshold=math.nan), "threshold=nan: expected"),
        (lambda: active_units(Scaled(math.nan), X), "encode gave mu with nan or inf"),
        (lambda: active_units(Gives((X[0], X[0])), X), r"mu of shape \(3,\): expected \(4, d\)"),
        (lambda: active_units(Gives((0.0, 0.0)), X), r"mu of float: expected \(4, d\)"),
        (lambda: nll(Gives(X[:, 0]), X, K=0, generator=generator()), "K=0: expected a whole"),
        (lambda: nll(Gives(X[:, 0]), X, K=2.0, generator=generator()), r"K=2\.0: expected a whole"),
        (lambda: nll(Gives(X[:1, 0]), X[:1], K=1, generator=generator()), r"x has shape \(1, 3\)"),
        (
            lambda: nll(Gives(X[:, 0]), X, X[:3, 0], K=1, generator=generator()),
            r"y has shape \(3,\): expected \(4,\)",
        ),
        (
            lambda: nll(Gives(X), X, K=1, generator=generator()),
            r"log_likelihood gave shape \(4, 3\): expected one number a sample, \(4,\)",
        ),
        (
            lambda: nll(Gives(X[:, 0] / 0), X, K=1, generator=generator()),
            "log_likelihood gave nan or inf",
        ),
        (lambda: Estimate.of(X), r"values have shape \(4, 3\): expected \(N,\)"),
        (lambda: Estimate.of(X[0, :1]), r"values have shape \(1,\): .* at least 2"),
        (lambda: Estimate.of(X[0] / 0), "3 of 3 values are nan or inf"),
        # Samples
        (lambda: mmd2(X[0], X, kernel="rbf"), r"x has shape \(3,\): expected \(N, D\)"),
        (lambda: mmd2(X, X[:1], kernel="rbf"), r"y has shape \(1, 3\): .* at least 2"),
        (lambda: mmd2(X, X[:, :2], kernel="rbf"), r"y has shape \(4, 2\): expected \(M, 3\)"),
        (lambda: mmd2(X, X / 0, kernel="rbf"), "y holds nan or inf"),
        (lambda: mmd2(X, X, kernel="linear"), "kernel='linear': expected one of rbf, polynomial"),
        (lambda: mmd2(X, X, kernel="rbf", bandwidth=0), "bandwidth=0: expected 'median' or"),
        (lambda: mmd2(X, X, kernel="rbf", bandwidth="mean"), "bandwidth='mean': expected 'median'"),
        (
            lambda: mmd2(X, X, kernel="polynomial", bandwidth=1.0),
            r"bandwidth=1\.0 with kernel='polynomial', which has none",
        ),
        (lambda: mmd2(X, X, kernel="rbf"), "bandwidth='median' is 0, half"),
        (lambda: kid(X, X, subsets=1, subset_size=2, seed=0), "subsets=1: .* at least 2"),
        (lambda: kid(X, X, subsets=2, subset_size=1, seed=0), "subset_size=1: .* at least 2"),
        (lambda: kid(X, X[:3], subsets=2, subset_size=4, seed=0), "subset_size=4: .* at most 3"),
        (
            lambda: kid(X, X[:1], subsets=2, subset_size=2, seed=0),
            r"features_y has shape \(1, 3\)",
        ),
        (
            lambda: two_sample_test(X, X, kernel="polynomial", permutations=0, seed=0),
            "permutations=0: expected a whole number of at least 1",
        ),
        (lambda: two_sample_test(X, X[:1], kernel="rbf", seed=0), r"y has shape \(1, 3\)"),
        (lambda: two_sample_test(X, X, kernel="cubic", seed=0), "kernel='cubic': expected"),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: linear_probe_accuracy(X, [0, 1, 0, 1], X, X[:, 0]),
            "y_train is a list: expected a torch.Tensor",
        ),
        (
            lambda: knn_accuracy(X.numpy(), X[:, 0], X, X[:, 0]),
            "z_train is a ndarray: expected a torch.Tensor",
        ),
        (lambda: active_units(Scaled(1.0), X.numpy()), "x is a ndarray: expected a torch.Tensor"),
        (lambda: active_units(Scaled(1.0), X, [0] * 4), "y is a list: expected a torch.Tensor"),
        (lambda: active_units(X, X), "model is a Tensor without encode: expected encode"),
        (lambda: active_units(Gives(X), X), r"encode gave shape \(4, 3\): expected the pair"),
        (
            lambda: nll(Scaled(1.0), X, K=1, generator=generator()),
            "model is a Scaled without log_likelihood: expected",
        ),
        (lambda: nll(Gives(X), X, K=1, generator=0), "generator is a int: expected a torch.Gen"),
        (lambda: mmd2(X, X.numpy(), kernel="rbf"), "y is a ndarray: expected a torch.Tensor"),
        (
            lambda: kid([1.0], X, subsets=2, subset_size=2, seed=0),
            "features_x is a list: expected a torch.Tensor",
        ),
    ],
)
def test_what_is_of_another_kind_is_named(call, message):
    with pytest.raises(TypeError, match=message):
        call()
