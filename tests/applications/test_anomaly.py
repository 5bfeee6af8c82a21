"""Anomaly scores where the likelihood is a closed form."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

import vqvae_lib as vq
from tests.applications.test_reduction import linear_vae
from vqvae_lib.applications.anomaly import (
    PixelGaussian,
    auc,
    likelihood_ratio,
    negative_log_likelihood,
    reconstruction_error,
    typicality,
)

X_NEW = vq.load_digits().x_test[:50].double()


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def exact_vae():
    """The linear VAE with its exact posterior: every importance weight is p(x)."""
    vae, fitted = linear_vae()
    covariance = fitted.posterior(X_NEW).covariance
    off = covariance - covariance.diag().diag()
    assert off.abs().max() < 1e-9  # principal axes: the posterior is diagonal
    with torch.no_grad():
        vae.encoder.log_var.weight.zero_()
        vae.encoder.log_var.bias.copy_(covariance.diag().log())
    return vae, fitted


def gaussian(fitted, x):
    """log p(x) of probabilistic PCA by SciPy's multivariate normal."""
    C = fitted.W @ fitted.W.T + fitted.noise_variance * torch.eye(64, dtype=torch.float64)
    return stats.multivariate_normal(fitted.mean.numpy(), C.numpy()).logpdf(x.numpy())


@pytest.mark.parametrize("K", [1, 20])
def test_a_linear_vae_s_score_is_the_gaussian_s(K):
    vae, fitted = exact_vae()
    found = negative_log_likelihood(vae, X_NEW, K=K, generator=source())
    # The likelihood's variance is kept in single precision.
    np.testing.assert_allclose(found, -gaussian(fitted, X_NEW), rtol=1e-6, atol=1e-5)
    by_ppca = negative_log_likelihood(fitted, X_NEW)
    np.testing.assert_allclose(by_ppca, -gaussian(fitted, X_NEW), rtol=0, atol=1e-6)


def test_a_hybrid_s_score_is_the_library_s_bound_and_modes_are_put_back():
    torch.manual_seed(0)
    model = vq.VQVAE(64, 8, 4, 2).double().train()
    found = negative_log_likelihood(model, X_NEW, K=7, generator=source(3))
    assert model.training
    expected = vq.nll(model, X_NEW, K=7, generator=source(3))
    assert float(found.mean()) == pytest.approx(expected.mean, abs=1e-9)


def test_reconstruction_error_is_summed_over_the_pixels():
    vae, fitted = exact_vae()
    M = fitted.W.T @ fitted.W + fitted.noise_variance * torch.eye(3, dtype=torch.float64)
    back = (X_NEW - fitted.mean) @ (fitted.W @ torch.linalg.inv(M) @ fitted.W.T).T + fitted.mean
    expected = (X_NEW - back).square().sum(1)
    torch.testing.assert_close(reconstruction_error(vae, X_NEW), expected, rtol=0, atol=1e-9)


def test_what_varies_less_is_more_likely_and_only_typicality_says_so():
    """The trap in closed form: draws of the model, and its mean again and again."""
    _, fitted = exact_vae()
    z = torch.randn(2000, 3, generator=source(), dtype=torch.float64)
    noise = torch.randn(2000, 64, generator=source(1), dtype=torch.float64)
    usual = fitted.mean + z @ fitted.W.T + fitted.noise_variance**0.5 * noise
    train, normal = usual.split(1000)
    odd = fitted.mean.expand(50, 64)
    nll = {name: negative_log_likelihood(fitted, rows) for name, rows in
           (("train", train), ("normal", normal), ("odd", odd))}  # fmt: skip
    # The mean has D/2 nats less than the average draw.
    assert float(nll["normal"].mean() - nll["odd"][0]) == pytest.approx(32, abs=1)
    assert auc(nll["normal"], nll["odd"]) == 0
    scores = {name: typicality(values, nll["train"]) for name, values in nll.items()}
    assert auc(scores["normal"], scores["odd"]) > 0.99
    torch.testing.assert_close(scores["odd"], (nll["odd"] - nll["train"].mean()).abs())


def test_the_background_is_a_product_of_normal_distributions():
    x = X_NEW
    background = PixelGaussian.fit(x, min_variance=0.01)
    variance = np.maximum(x.numpy().var(0), 0.01)
    expected = stats.norm(x.numpy().mean(0), variance**0.5).logpdf(x.numpy()).sum(1)
    np.testing.assert_allclose(background.log_likelihood(x), expected, atol=1e-9)
    assert (background.variance == 0.01).any()  # corners that are always blank
    nll = torch.arange(50).double()
    np.testing.assert_allclose(
        likelihood_ratio(nll, background, x), nll.numpy() + expected, atol=1e-9
    )


def test_a_ratio_of_a_model_to_itself_tells_nothing():
    _, fitted = exact_vae()
    ratio = likelihood_ratio(negative_log_likelihood(fitted, X_NEW), fitted, X_NEW)
    assert ratio.abs().max() < 1e-9


def test_auc_of_two_normal_distributions():
    """Φ(Δ/√2); and the share of pairs, ties half, on small whole numbers."""
    normal = torch.randn(20_000, generator=source(), dtype=torch.float64)
    odd = 1.5 + torch.randn(20_000, generator=source(1), dtype=torch.float64)
    assert auc(normal, odd) == pytest.approx(stats.norm.cdf(1.5 / math.sqrt(2)), abs=0.005)
    few, some = torch.tensor([1.0, 2, 2]), torch.tensor([2.0, 3])
    pairs = [float(b > a) + 0.5 * float(b == a) for a in few for b in some]
    assert auc(few, some) == pytest.approx(sum(pairs) / 6)


def test_auc_counts_infinite_scores_too():
    normal, odd = torch.tensor([1.0, 2, torch.inf]), torch.tensor([-torch.inf, 2, torch.inf, 3])
    pairs = [float(b > a) + 0.5 * float(b == a) for a in normal for b in odd]
    assert auc(normal, odd) == pytest.approx(sum(pairs) / 12)


def test_a_density_that_gives_nan_is_named():
    class Broken:
        def log_likelihood(self, x):
            return x.sum(dim=1) * math.nan

    with pytest.raises(ValueError, match=r"log_likelihood\(x\)\[0\] is nan \(and 49 more\)"):
        negative_log_likelihood(Broken(), X_NEW)


def test_whole_numbers_and_arrays_are_read_as_real_numbers():
    levels = (X_NEW * 16).round()
    expected = PixelGaussian.fit(levels.float())
    for x in (levels.to(torch.uint8), levels.numpy(), levels.int().numpy()):
        found = PixelGaussian.fit(x)
        for part, wanted in (
            (found.mean, expected.mean),
            (found.variance, expected.variance),
            (found.log_likelihood(x), expected.log_likelihood(levels.float())),
        ):
            torch.testing.assert_close(part, wanted, rtol=1e-5, atol=1e-3, check_dtype=False)


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: negative_log_likelihood(torch.nn.ReLU(), X_NEW), TypeError, "is a ReLU without"),
        (lambda: typicality(torch.ones(3), torch.ones(1)), ValueError, "expected at least 2 rows"),
        (lambda: PixelGaussian.fit(torch.ones(3)), ValueError, r"expected \(N, D\)"),
        (lambda: PixelGaussian.fit(X_NEW, min_variance=0), ValueError, "min_variance=0"),
        (
            lambda: PixelGaussian(torch.zeros(2), torch.tensor([1, 0])),
            ValueError,
            r"variance\[1\] is 0: expected numbers above 0",
        ),
        (
            lambda: PixelGaussian(torch.zeros(2), torch.ones(1)),
            ValueError,
            r"variance has shape \(1,\): expected \(2,\)",
        ),
        (
            lambda: likelihood_ratio(torch.ones(3), PixelGaussian.fit(X_NEW), X_NEW),
            ValueError,
            r"nll has shape \(3,\) and x \(50, 64\)",
        ),
        (lambda: auc(torch.ones(0), torch.ones(2)), ValueError, "normal has shape"),
        (lambda: auc(torch.ones(2), torch.ones(2) * math.nan), ValueError, "and 1 more.: expected"),
        (
            lambda: negative_log_likelihood(PixelGaussian.fit(X_NEW), X_NEW * math.nan),
            ValueError,
            r"x\[0, 0\] is nan \(and 3199 more\)",
        ),
    ],
)
def test_what_does_not_fit_is_named(make, error, said):
    with pytest.raises(error, match=said):
        make()


def test_a_model_that_knows_its_density_is_given_the_data_alone_in_evaluation_mode():
    class Dropping(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = torch.nn.Dropout()

        def log_likelihood(self, x):
            return self.drop(x).sum(1)

    model, x = Dropping(), torch.ones(3, 101)  # of 101 twice the kept ones are never as many
    assert negative_log_likelihood(model, x).tolist() == [-101.0] * 3
    assert model.training
