"""Autoencoders against NumPy, PCA and densities whose score is known."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from vqvae_lib import (
    PCA,
    Autoencoder,
    ConvDecoder,
    ConvEncoder,
    DenoisingAutoencoder,
    LinearAutoencoder,
    cosine,
    fit,
    load_digits,
    mlp,
    mlp_autoencoder,
    mse,
    principal_angles,
    squared_error,
)

_finite = st.floats(-100, 100)


@given(arrays(np.float64, (2, 4, 3), elements=_finite))
def test_squared_error_sums_dimensions_and_averages_the_batch(pair):
    x, x_hat = pair
    expected = sum(np.dot(a - b, a - b) for a, b in zip(x, x_hat, strict=True)) / 4
    error = squared_error(torch.from_numpy(x), torch.from_numpy(x_hat)).item()
    assert error == pytest.approx(expected, rel=1e-12, abs=1e-300)


def test_squared_error_does_not_broadcast():
    with pytest.raises(
        ValueError, match=r"x_hat has shape \(1, 3\) and x \(4, 3\): expected the same"
    ):
        squared_error(torch.zeros(4, 3), torch.zeros(1, 3))


def test_loss_is_the_error_of_decode_after_encode():
    torch.manual_seed(0)
    model = mlp_autoencoder(5, 7, 2, activation="tanh").double()
    x = torch.rand(6, 5, dtype=torch.float64)
    W1, b1, W2, b2, W3, b3, W4, b4 = (p.detach().numpy() for p in model.parameters())
    z = np.tanh(x.numpy() @ W1.T + b1) @ W2.T + b2
    x_hat = np.tanh(z @ W3.T + b3) @ W4.T + b4
    np.testing.assert_allclose(model.encode(x).detach(), z, rtol=1e-11)
    np.testing.assert_allclose(model(x).detach(), x_hat, rtol=1e-11)
    terms = model.loss(x)
    assert set(terms) == {"loss"}
    assert terms["loss"].item() == pytest.approx(((x.numpy() - x_hat) ** 2).sum() / 6)


def test_reconstruction_of_another_width_is_refused():
    model = Autoencoder(mlp([5, 2]), mlp([2, 4]))
    with pytest.raises(ValueError, match=r"x_hat has shape \(3, 4\) and x \(3, 5\)"):
        model.loss(torch.zeros(3, 5))


def test_convolutions_overfit_a_handful_of_digits():
    torch.manual_seed(0)
    x = load_digits().x_train[:8]
    model = Autoencoder(ConvEncoder((8, 8), 4), ConvDecoder(4, (8, 8)))
    fit(model, x, epochs=150, batch_size=8, lr=1e-2)
    with torch.no_grad():
        assert mse(x, model(x)) < 0.1 * PCA.fit(x, 1).mse(x)


# A clear gap follows the third eigenvalue; where the gap is small, the last angle is slow.
@pytest.mark.parametrize("d", [3, 8])
def test_linear_autoencoder_reaches_pca_on_real_digits(d):
    data = load_digits()
    exact = PCA.fit(data.x_train, d)
    torch.manual_seed(0)
    model = LinearAutoencoder(64, d)
    fit(model, data.x_train, epochs=300, batch_size=256, lr=0.03, schedule=cosine(300))
    with torch.no_grad():
        train_error = mse(data.x_train, model(data.x_train))
        test_error = mse(data.x_test, model(data.x_test))
    # On the data of the fit nothing linear is better than PCA; elsewhere it may be by chance.
    assert -1e-8 < train_error - exact.mse(data.x_train) < 1e-4
    assert abs(test_error - exact.mse(data.x_test)) < 1e-4
    angles = principal_angles(model.subspace(), exact.components.T).rad2deg()
    assert angles[:3].max() < 0.5


def test_subspace_is_an_orthonormal_basis_of_what_the_decoder_reaches():
    torch.manual_seed(0)
    model = LinearAutoencoder(6, 3).double()
    Q = model.subspace()
    assert Q.shape == (6, 3)
    torch.testing.assert_close(Q.T @ Q, torch.eye(3, dtype=torch.float64))
    z = torch.randn(10, 3, dtype=torch.float64)
    reached = (model.decode(z) - model.decode(torch.zeros_like(z))).detach()
    torch.testing.assert_close(reached @ Q @ Q.T, reached)


class _Scaled(nn.Module):
    """A decoder that only scales: the optimal denoiser of centred Gaussian data."""

    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor, dtype=torch.float64))

    def forward(self, z):
        return self.factor * z


def test_score_of_the_optimal_denoiser_is_the_gaussians():
    # x ~ N(0, s^2), noisy x ~ N(0, s^2 + t^2), E[clean | noisy] = s^2 / (s^2 + t^2) noisy.
    s2, t = 1.7, 0.4
    model = DenoisingAutoencoder(nn.Identity(), _Scaled(s2 / (s2 + t**2)), noise_std=t)
    x = torch.randn(9, 3, dtype=torch.float64, requires_grad=True)
    density = torch.distributions.Normal(0.0, torch.tensor(s2 + t**2, dtype=torch.float64).sqrt())
    (score,) = torch.autograd.grad(density.log_prob(x).sum(), x)
    torch.testing.assert_close(model.score(x).detach(), score)


def test_training_finds_the_optimal_denoiser():
    s2, t = 1.0, 0.5
    x = torch.randn(20000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model = DenoisingAutoencoder(nn.Identity(), _Scaled(0.0), noise_std=t)
    fit(model, x, epochs=5, batch_size=200, lr=0.05, schedule=lambda epoch: 0.3**epoch)
    # Least squares over 20000 draws: standard error about 0.004.
    assert model.decoder.factor.item() == pytest.approx(s2 / (s2 + t**2), abs=0.015)


def test_noise_comes_from_the_generator_with_the_stated_spread():
    model = DenoisingAutoencoder(mlp([50, 2]), mlp([2, 50]), noise_std=0.3)
    x = torch.rand(2000, 50)
    before = torch.get_rng_state()
    drawn = [model.corrupt(x, generator=torch.Generator().manual_seed(s)) - x for s in (0, 0, 1)]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert drawn[0].std().item() == pytest.approx(0.3, rel=0.02)
    assert abs(drawn[0].mean().item()) < 0.005
    losses = [
        model.loss(x, generator=torch.Generator().manual_seed(s))["loss"].item() for s in (0, 0, 1)
    ]
    assert losses[0] == losses[1] != losses[2]
    noisy = model.corrupt(x, generator=torch.Generator().manual_seed(0))
    assert losses[0] == squared_error(x, model(noisy)).item()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LinearAutoencoder(4, 5), "d=5: expected a whole number from 1 to 4"),
        (lambda: LinearAutoencoder(4, 0), "d=0: expected a whole number from 1 to 4"),
        (
            lambda: DenoisingAutoencoder(nn.Identity(), nn.Identity(), noise_std=0.0),
            "noise_std=0.0: expected a finite number above 0",
        ),
        (
            lambda: DenoisingAutoencoder(nn.Identity(), nn.Identity(), noise_std=math.nan),
            "noise_std=nan",
        ),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_noise_is_seen_when_the_model_is_printed():
    assert "noise_std=0.25" in repr(DenoisingAutoencoder(mlp([3, 1]), mlp([1, 3]), noise_std=0.25))
