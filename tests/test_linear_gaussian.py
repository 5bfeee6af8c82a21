"""The exact models against scikit-learn, torch.distributions, NumPy's formulas and their draws."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA as SklearnPCA
from torch.distributions import LowRankMultivariateNormal, MultivariateNormal

from vqvae_lib import PCA, FullGaussian, ProbabilisticPCA, load_digits, mse
from vqvae_lib.bounds import gaussian_log_prob


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def draws(*shape, seed=0):
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def digits():
    return load_digits()


@pytest.fixture
def ppca():
    return ProbabilisticPCA(draws(6), draws(6, 3, seed=1), 0.3)


@pytest.fixture
def full():
    root = draws(5, 5)
    return FullGaussian(torch.arange(5.0).double(), root @ root.T + torch.eye(5).double())


# ---------------------------------------------------------------- PCA


@pytest.mark.parametrize("k", [1, 5, 64])
def test_pca_is_scikit_learns(digits, k):
    x = digits.x_train.double()
    pca, oracle = PCA.fit(x, k), SklearnPCA(k, svd_solver="full").fit(x.numpy())
    N = len(x)
    np.testing.assert_allclose(pca.mean, oracle.mean_, atol=1e-13)
    np.testing.assert_allclose(
        pca.eigenvalues[:k] * N / (N - 1), oracle.explained_variance_, rtol=1e-9, atol=1e-12
    )
    # The last directions have no variance: any basis of them is right.
    distinct = min(k, 50)
    cosines = pca.components[:distinct].numpy() @ oracle.components_[:distinct].T
    np.testing.assert_allclose(np.abs(cosines), np.eye(distinct), atol=1e-7)
    x_hat = oracle.inverse_transform(oracle.transform(digits.x_test.double().numpy()))
    x_test = digits.x_test.double()
    np.testing.assert_allclose(pca.decode(pca.encode(x_test)), x_hat, atol=1e-10)
    expected = np.mean((x_test.numpy() - x_hat) ** 2)
    assert pca.mse(x_test) == pytest.approx(expected, rel=1e-9, abs=1e-20)


def test_pca_keeps_the_dtype_and_its_promises(digits):
    pca = PCA.fit(digits.x_train, 3)
    assert repr(pca) == "PCA(k=3, D=64)"
    assert {t.dtype for t in (pca.mean, pca.components, pca.eigenvalues)} == {torch.float32}
    assert pca.components.shape == (3, 64)
    assert pca.eigenvalues.shape == (64,)
    assert (pca.eigenvalues.diff() <= 0).all()
    # The largest entry of each direction is positive, whatever the machine returned.
    assert (pca.components.max(dim=1).values == pca.components.abs().max(dim=1).values).all()
    # What is left out is what is lost.
    loss = pca.mse(digits.x_train)
    assert loss == mse(digits.x_train, pca.decode(pca.encode(digits.x_train)))
    assert loss * 64 == pytest.approx(pca.eigenvalues[3:].sum().item(), rel=1e-5)


@settings(max_examples=20, deadline=None)
@given(k=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
def test_no_other_linear_code_loses_less(k, seed):
    x = draws(40, 6) @ draws(6, 6, seed=1)
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(6, k)))[0]
    centred = x.numpy() - x.numpy().mean(0)
    rival = np.mean((centred - centred @ basis @ basis.T) ** 2)
    assert PCA.fit(x, k).mse(x) <= rival + 1e-12


# ---------------------------------------------------------------- probabilistic PCA


def test_ppca_likelihood_is_that_of_torch_s_low_rank_gaussian(ppca):
    x = draws(9, 6, seed=5)
    noise = torch.full((6,), ppca.noise_variance, dtype=torch.float64)
    oracle = LowRankMultivariateNormal(ppca.mean, ppca.W, noise)
    torch.testing.assert_close(ppca.log_likelihood(x), oracle.log_prob(x), rtol=0, atol=1e-10)
    torch.testing.assert_close(ppca.marginal().covariance, oracle.covariance_matrix)
    assert torch.equal(ppca.marginal().mean, ppca.mean)


def test_ppca_posterior_is_that_of_conditioning_the_joint_gaussian(ppca):
    x = draws(9, 6, seed=5)
    covariance = ppca.W @ ppca.W.T + ppca.noise_variance * torch.eye(6).double()
    gain = ppca.W.T @ torch.linalg.inv(covariance)  # Cov(z, x) Cov(x)^-1
    posterior = ppca.posterior(x)
    torch.testing.assert_close(posterior.mean, (x - ppca.mean) @ gain.T, rtol=0, atol=1e-10)
    inside = torch.eye(3).double() - gain @ ppca.W
    torch.testing.assert_close(posterior.covariance, inside, rtol=0, atol=1e-10)
    assert torch.equal(ppca.encode(x), posterior.mean)
    # The prior over z, conditioned on x as a noisy measurement of it, is the same Gaussian.
    prior = FullGaussian(torch.zeros(3).double(), torch.eye(3).double())
    same = prior.condition(x - ppca.mean, ppca.W, noise_variance=ppca.noise_variance)
    torch.testing.assert_close(same.mean, posterior.mean)
    torch.testing.assert_close(same.covariance, posterior.covariance)


def test_bayes_rule_holds_for_ppca(ppca):
    """log p(x) = log p(x|z) + log p(z) - log p(z|x), at every z."""
    x, z = draws(9, 6, seed=5), draws(9, 3, seed=6)
    log_var = torch.full((6,), math.log(ppca.noise_variance), dtype=torch.float64)
    by_bayes = (
        gaussian_log_prob(x, ppca.decode(z), log_var)
        + gaussian_log_prob(z)
        - ppca.posterior(x).log_likelihood(z)
    )
    torch.testing.assert_close(by_bayes, ppca.log_likelihood(x), rtol=0, atol=1e-10)


def test_the_fit_of_ppca_is_the_maximum():
    """No small step raises the likelihood, and scikit-learn's PCA agrees on the solution."""
    x = draws(200, 5) @ draws(5, 5, seed=1) + 2
    model = ProbabilisticPCA.fit(x, 2)
    best = model.log_likelihood(x).mean()
    g = generator()
    for _ in range(20):
        step = 1e-3 * torch.randn(5, 2, generator=g, dtype=torch.float64)
        for sign in (-1, 1):
            rival = ProbabilisticPCA(model.mean, model.W + sign * step, model.noise_variance)
            assert rival.log_likelihood(x).mean() < best
    for factor in (0.99, 1.01):
        rival = ProbabilisticPCA(model.mean, model.W, model.noise_variance * factor)
        assert rival.log_likelihood(x).mean() < best
    # Scikit-learn's covariance has 1/(N - 1): rescaled about the mean, its model is ours.
    oracle = SklearnPCA(2, svd_solver="full").fit(x.numpy())
    covariance = oracle.get_covariance() * 199 / 200
    np.testing.assert_allclose(model.marginal().covariance, covariance, rtol=1e-9)
    expected = multivariate_normal(oracle.mean_, covariance).logpdf(x.numpy())
    np.testing.assert_allclose(model.log_likelihood(x), expected, rtol=1e-9)


def test_a_small_noise_variance_makes_ppca_s_code_pca_s():
    """As the noise goes, the posterior mean times the column's length is the projection."""
    x = draws(100, 5) * torch.tensor([3.0, 2.0, 1e-4, 1e-4, 1e-4]) + 1
    pca, model = PCA.fit(x, 2), ProbabilisticPCA.fit(x, 2)
    torch.testing.assert_close(
        model.encode(x) * model.W.norm(dim=0), pca.encode(x), rtol=1e-6, atol=1e-6
    )
    torch.testing.assert_close(
        model.decode(model.encode(x)), pca.decode(pca.encode(x)), rtol=1e-6, atol=1e-6
    )
    # With more noise the prior counts: every coordinate is pulled towards zero.
    x = draws(100, 5) * torch.tensor([3.0, 2.0, 1.0, 1.0, 1.0])
    pca, model = PCA.fit(x, 2), ProbabilisticPCA.fit(x, 2)
    shrinkage = 1 - model.noise_variance / pca.eigenvalues[:2]
    pulled = (model.decode(model.encode(x)) - model.mean) @ pca.components.T
    torch.testing.assert_close(pulled, shrinkage * pca.encode(x))


def test_ppca_takes_float32_and_answers_in_float64(digits):
    model = ProbabilisticPCA.fit(digits.x_train, 8)
    exact = ProbabilisticPCA.fit(digits.x_train.double(), 8)
    assert model.W.dtype == torch.float64
    torch.testing.assert_close(model.W, exact.W)
    by_float32 = model.log_likelihood(digits.x_test)
    torch.testing.assert_close(by_float32, exact.log_likelihood(digits.x_test.double()))
    assert repr(model).startswith("ProbabilisticPCA(d=8, D=64, noise_variance=0.0")


# ---------------------------------------------------------------- full Gaussian


def test_fit_is_numpy_s_mean_and_covariance():
    x = torch.rand(50, 4, generator=generator())
    full = FullGaussian.fit(x, ridge=0.01)
    assert np.allclose(full.mean, x.double().numpy().mean(0))
    covariance = np.cov(x.double().numpy().T, bias=True) + 0.01 * np.eye(4)
    assert np.allclose(full.covariance, covariance, rtol=1e-12, atol=0)
    assert FullGaussian.fit(x[:, :1], ridge=0.01).covariance.shape == (1, 1)
    assert repr(full) == "FullGaussian(mean=(4,), D=4)"


def test_log_likelihood_is_torch_s(full):
    x = draws(7, 5, seed=3)
    oracle = MultivariateNormal(full.mean, full.covariance)
    torch.testing.assert_close(full.log_likelihood(x), oracle.log_prob(x), rtol=1e-12, atol=0)
    # With one mean per row, and in another dtype.
    several = FullGaussian(draws(7, 5), full.covariance)
    expected = MultivariateNormal(several.mean, full.covariance).log_prob(x)
    torch.testing.assert_close(several.log_likelihood(x), expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        full.log_likelihood(x.float()), full.log_likelihood(x.float().double())
    )
    narrow = FullGaussian(full.mean.float(), full.covariance.float())
    assert narrow.log_likelihood(x).dtype == torch.float32
    torch.testing.assert_close(
        narrow.log_likelihood(x).double(), full.log_likelihood(x), rtol=1e-4, atol=0
    )


def test_the_chain_rule_of_densities(full):
    """log p(x) = log p(seen) + log p(hidden | seen)."""
    x, observed = draws(7, 5, seed=3), torch.tensor([1, 0, 1, 1, 0]).bool()
    seen = FullGaussian(full.mean[observed], full.covariance[observed][:, observed])
    answer = full.inpaint(x, observed)
    hidden = FullGaussian(answer.mean[:, ~observed], answer.covariance[~observed][:, ~observed])
    chained = seen.log_likelihood(x[:, observed]) + hidden.log_likelihood(x[:, ~observed])
    torch.testing.assert_close(chained, full.log_likelihood(x))


def test_observed_pixels_against_the_block_formula(full):
    observed = torch.tensor([0, 1, 0, 1, 1]).bool()
    x = draws(3, 5, seed=1)
    answer = full.inpaint(torch.where(observed, x, math.nan), observed)
    mean, covariance = answer.mean.numpy(), answer.covariance.numpy()
    C, m, s = full.covariance.numpy(), full.mean.numpy(), observed.numpy()
    gain = C[np.ix_(~s, s)] @ np.linalg.inv(C[np.ix_(s, s)])
    assert np.allclose(mean[:, ~s], m[~s] + (x.numpy()[:, s] - m[s]) @ gain.T)
    assert np.allclose(mean[:, s], x.numpy()[:, s])
    assert np.allclose(covariance[np.ix_(~s, ~s)], C[np.ix_(~s, ~s)] - gain @ C[np.ix_(s, ~s)])
    assert np.allclose(covariance[s], 0)


def test_nothing_observed_changes_nothing_and_all_observed_leaves_nothing_open(full):
    x = draws(3, 5, seed=1)
    nothing = full.inpaint(x, torch.zeros(5).bool())
    assert torch.equal(nothing.covariance, full.covariance)
    assert torch.equal(nothing.mean, full.mean.expand(3, 5))
    everything = full.inpaint(x, torch.ones(5).bool())
    torch.testing.assert_close(everything.mean, x)
    torch.testing.assert_close(everything.covariance, torch.zeros(5, 5).double())


def test_noisy_measurements_against_the_precision_form(full):
    """Another route: precisions add."""
    A, measurements = draws(2, 5, seed=2), draws(4, 2, seed=3)
    answer = full.condition(measurements, A, noise_variance=0.5)
    inverse = np.linalg.inv(full.covariance.numpy())
    covariance = np.linalg.inv(inverse + A.numpy().T @ A.numpy() / 0.5)
    assert np.allclose(answer.covariance, covariance)
    pulled = inverse @ full.mean.numpy() + measurements.numpy() @ A.numpy() / 0.5
    assert np.allclose(answer.mean, pulled @ covariance)


def test_conditioning_twice_is_conditioning_on_both(full):
    A, measurements = draws(2, 5, seed=2), draws(4, 2, seed=3)
    both = full.condition(measurements, A, noise_variance=0.5)
    first = full.condition(measurements[:, :1], A[:1], noise_variance=0.5)
    second = first.condition(measurements[:, 1:], A[1:], noise_variance=0.5)
    torch.testing.assert_close(second.mean, both.mean)
    torch.testing.assert_close(second.covariance, both.covariance)


# ---------------------------------------------------------------- draws


def test_samples_have_the_model_s_mean_and_covariance(full, ppca):
    """Within five standard errors of each entry."""
    n = 20_000
    observed = torch.tensor([1, 0, 0, 0, 1]).bool()
    for model in (full, ppca, full.inpaint(torch.zeros(1, 5), observed)):
        x = model.sample(n, generator=generator(4))
        law = model.marginal() if isinstance(model, ProbabilisticPCA) else model
        assert x.shape == (n, *law.mean.shape)
        x, C = x.reshape(n, -1), law.covariance
        variances = C.diagonal().clamp(min=0)
        assert ((x.mean(0) - law.mean).abs() <= 5 * (variances / n).sqrt() + 1e-6).all()
        error = ((C.square() + variances[:, None] * variances) / n).sqrt()  # Wishart's
        assert ((torch.cov(x.T) - C).abs() <= 5 * error + 1e-6).all()
    assert torch.allclose(x[:, observed], torch.zeros(n, 2).double(), atol=1e-6)
    assert torch.equal(
        full.sample(3, generator=generator(1)), full.sample(3, generator=generator(1))
    )


# ---------------------------------------------------------------- refusals

X, ONE = torch.rand(9, 4, generator=generator()), torch.ones(4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PCA.fit(ONE, 1), r"x has shape \(4,\): expected \(N, D\)"),
        (lambda: PCA.fit(X[:1], 1), r"x has shape \(1, 4\): expected at least 2 rows"),
        (lambda: PCA.fit(X, 5), "k=5: expected a whole number from 1 to 4"),
        (lambda: PCA.fit(X * math.nan, 1), r"x\[0, 0\] is nan .*: expected finite numbers"),
        (lambda: PCA.fit(X, 1).encode(X[:, :1]), r"x has shape \(9, 1\): expected \(B, 4\)"),
        (lambda: PCA.fit(X, 1).mse(X[:, :3]), r"x has shape \(9, 3\): expected \(B, 4\)"),
        (lambda: ProbabilisticPCA.fit(X, 4), "d=4: expected a whole number from 1 to 3"),
        (lambda: ProbabilisticPCA.fit(X, 0), "d=0: expected a whole number from 1 to 3"),
        (lambda: ProbabilisticPCA.fit(X * math.nan, 2), r"x\[0, 0\] is nan"),
        (
            lambda: ProbabilisticPCA.fit(torch.eye(4)[:2].repeat(3, 1), 2),
            "d=2: x lies within d dimensions exactly",
        ),
        (lambda: ProbabilisticPCA(ONE, X.T[:3], 0.1), r"W has shape \(3, 9\): expected \(4, d\)"),
        (lambda: ProbabilisticPCA(ONE, X.T, 0.0), r"noise_variance=0\.0: .* above 0"),
        (
            lambda: ProbabilisticPCA(ONE, X.T[:, :2], 0.1).posterior(X[:, :3]),
            r"x has shape \(9, 3\): expected \(B, 4\)",
        ),
        (lambda: FullGaussian(ONE, X), r"covariance has shape \(9, 4\): expected \(9, 9\)"),
        (
            lambda: FullGaussian(ONE[:3], torch.eye(4)),
            r"mean has shape \(3,\): expected \(..., 4\)",
        ),
        (lambda: FullGaussian.fit(X[:1]), r"x has shape \(1, 4\): expected at least 2 rows"),
        (lambda: FullGaussian.fit(X, ridge=0), "ridge=0: expected a finite number above 0"),
        (
            lambda: FullGaussian(ONE, torch.eye(4)).log_likelihood(X[:, :3]),
            r"x has shape \(9, 3\): expected \(B, 4\)",
        ),
        (
            lambda: FullGaussian(ONE, torch.ones(4, 4)).log_likelihood(X),
            "the covariance is singular",
        ),
        (
            lambda: FullGaussian(ONE, torch.eye(4)).condition(X[:, :2], torch.ones(2, 4)),
            "the covariance is singular",
        ),
        (
            lambda: FullGaussian(ONE, torch.eye(4)).condition(X[:, :2], torch.zeros(3, 4)),
            r"measurements has shape \(9, 2\): expected \(B, 3\)",
        ),
        (
            lambda: FullGaussian(ONE, torch.eye(4)).condition(X[:, :2], torch.zeros(2, 5)),
            r"A has shape \(2, 5\): expected \(k, 4\)",
        ),
        (
            lambda: FullGaussian(ONE, torch.eye(4)).condition(X / 0, torch.eye(4)),
            r"measurements\[0, 0\] is inf",
        ),
        (
            lambda: FullGaussian(ONE, torch.eye(4)).condition(X, torch.eye(4), noise_variance=-1),
            "noise_variance=-1: expected a finite number at least 0",
        ),
        (
            lambda: FullGaussian(ONE, torch.eye(4)).inpaint(X, torch.ones(3).bool()),
            r"observed has shape \(3,\): expected \(4,\)",
        ),
        (
            lambda: FullGaussian(ONE, torch.eye(4)).sample(0, generator=generator()),
            "n=0: expected a whole number of at least 1",
        ),
    ],
)
def test_values_that_do_not_fit_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_other_kinds_are_named():
    full = FullGaussian(ONE, torch.eye(4))
    with pytest.raises(TypeError, match=r"observed has dtype torch\.float32: expected torch\.bool"):
        full.inpaint(X, ONE)
    with pytest.raises(TypeError, match=r"generator is a int: expected a torch\.Generator"):
        full.sample(1, generator=0)
    with pytest.raises(TypeError, match="x is a list"):
        PCA.fit(X.tolist(), 1)
