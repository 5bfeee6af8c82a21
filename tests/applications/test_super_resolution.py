"""Super-resolution against the closed form of a linear model, and against inpainting."""

import numpy as np
import pytest
import torch

import vqvae_lib as vq
from tests.applications.linear import VARIANCE, D, generator, linear_model
from vqvae_lib.applications.inpainting import _Observation
from vqvae_lib.applications.super_resolution import (
    _Measurement,
    bicubic,
    block_means,
    consistency,
    super_resolve,
)

# Overlapping averages, so that A Aᵀ is not diagonal.
A = torch.tensor([[0.5, 0.5, 0, 0, 0, 0], [0, 0.5, 0.5, 0, 0, 0], [0, 0, 0, 1, 0.5, 0.5]]).double()


def seen():
    return torch.randn(4, D, generator=generator(5)).double() @ A.T


def test_the_map_of_a_linear_model_is_its_conditional_mean():
    """For Gaussians the most probable code and its image are the means."""
    model, full = linear_model()
    found = super_resolve(model, seen(), A, draws=2, steps=500, generator=generator())
    assert found.shape == (1, 4, D)
    assert torch.allclose(found[0], full.condition(seen(), A).mean, atol=1e-3)


def test_draws_have_the_exact_mean_and_covariance():
    model, full = linear_model()
    draws = super_resolve(
        model, seen(), A, method="langevin", draws=4000, steps=60, generator=generator()
    )
    exact = full.condition(seen(), A)
    # The images are means given z: they lack the noise of variance σ² that A does not see.
    unseen = torch.eye(D).double() - torch.linalg.pinv(A) @ A
    covariance = exact.covariance - VARIANCE * unseen
    error = (covariance.diagonal() / 4000).sqrt()
    assert ((draws.mean(0) - exact.mean).abs() < 4 * error + 1e-9).all()
    size = covariance.diagonal().max()
    for image in range(4):
        assert (torch.cov(draws[:, image].T) - covariance).abs().max() < 0.1 * size


def test_every_image_is_consistent_with_what_was_measured():
    model, _ = linear_model()
    for method in ("map", "langevin"):
        found = super_resolve(
            model, seen(), A, method=method, draws=3, steps=5, generator=generator()
        )
        assert consistency(found, seen(), A).max() < 1e-9
    assert consistency(torch.zeros(1, 4, D).double(), seen(), A).min() > 1e-3


def test_the_best_of_several_climbs_is_kept():
    """Two codes explain a measurement, and the prior likes the nearer one better."""

    class Fold(torch.nn.Module):  # 1.5 = z² + z/2 at z = 1 and at z = -1.5
        def forward(self, z):
            return torch.cat([z.square() + 0.5 * z, z], dim=1)

    model = vq.VAE(vq.GaussianEncoder(torch.nn.Identity(), 2, 1), Fold(), vq.Gaussian(0.01))
    first_pixel, values = torch.tensor([[1.0, 0.0]]), torch.full((20, 1), 1.5)
    options = {"steps": 300, "generator": generator()}
    codes = super_resolve(model, values, first_pixel, draws=1, **options)[0, :, 1]
    assert (codes < 0).any()  # some climbs end at the worse code
    codes = super_resolve(model, values, first_pixel, draws=20, **options)[0, :, 1]
    assert torch.allclose(codes, torch.tensor(1.0), atol=0.01)


def test_seen_pixels_are_a_measurement_too():
    """Rows of the unit matrix: the code's density is the one that inpainting uses."""
    model, _ = linear_model()
    mask = torch.tensor([1, 0, 1, 0, 0, 1]).bool()
    x = torch.randn(4, D, generator=generator(7)).double()
    z = torch.randn(5, 4, 2, generator=generator(8)).double()
    measurement = _Measurement.of(model, x[:, mask], torch.eye(D).double()[mask], None)
    observation = _Observation.of(model, x, mask, None, generator())
    difference = (measurement.log_posterior(z) - observation.log_posterior(z)).detach()
    assert difference.std() < 1e-9  # a constant


def test_block_means_against_numpy():
    x = torch.rand(3, 6 * 4, generator=generator()).double()
    small = x @ block_means((6, 4), 2).T.double()
    by_hand = x.numpy().reshape(3, 3, 2, 2, 2).mean(axis=(2, 4))
    assert np.allclose(small.numpy().reshape(3, 3, 2), by_hand)


def test_bicubic_keeps_a_constant_and_enlarges():
    large = bicubic(torch.full((2, 6), 0.3), (2, 3), 2)
    assert large.shape == (2, 24)
    assert torch.allclose(large, torch.tensor(0.3))
    ramp = torch.arange(8.0).repeat(1, 8)
    inner = bicubic(ramp, (8, 8), 2).reshape(16, 16)[8, 6:10]  # every second pixel: a step
    assert torch.allclose(inner[2:] - inner[:-2], torch.tensor(1.0), atol=1e-5)


def test_a_hybrid_model_keeps_its_mode_and_weights():
    torch.manual_seed(0)
    model = vq.VQVAE(64, 16, 4, 2).train()
    A8 = block_means((8, 8), 2)
    small = vq.load_digits().x_test[:3] @ A8.T
    found = super_resolve(model, small, A8, draws=2, steps=5, generator=generator())
    assert found.shape == (1, 3, 64)
    assert consistency(found, small, A8).max() < 1e-4
    assert model.training
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"method": "best"}, ValueError, "method='best': expected one of 'map', 'langevin'"),
        ({"A": A[:2]}, ValueError, r"measurements has shape \(4, 3\): expected \(B, 2\)"),
        ({"A": A[[0, 0, 1]]}, ValueError, "rows that depend on each other"),
        ({"measurements": seen() * torch.nan}, ValueError, r"measurements\[0, 0\] is nan"),
        ({"model": vq.mlp_vae(D, 4, 2, vq.Bernoulli())}, TypeError, "expected a Gaussian of one"),
        (
            {"model": vq.mlp_vae(D, 4, 2, vq.Gaussian("per_dimension"))},
            TypeError,
            "expected a Gaussian",
        ),
    ],
)
def test_bad_input_is_named(change, error, message):
    arguments = {"model": linear_model()[0], "measurements": seen(), "A": A} | change
    with pytest.raises(error, match=message):
        super_resolve(steps=3, generator=generator(), **arguments)


def test_sizes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="expected multiples of factor=2"):
        block_means((5, 4), 2)
    with pytest.raises(ValueError, match="images has shape"):
        bicubic(torch.zeros(2, 5), (2, 3), 2)


def test_measurements_of_another_size_are_named():
    model = vq.VQVAE(16, 8, 4, 2)
    with pytest.raises(ValueError, match=r"A has shape \(16, 64\): expected \(N, 16\)"):
        super_resolve(model, torch.rand(2, 16), block_means((8, 8), 2), generator=generator())


def test_whole_numbers_are_measured_as_real_ones():
    A2, images = block_means((4, 4), 2), torch.randint(0, 9, (3, 16), generator=generator())
    measurements = torch.randint(0, 9, (3, 4), generator=generator())
    expected = consistency(images.float(), measurements.float(), A2)
    assert expected.min() > 0.1
    for dtype in (torch.uint8, torch.int32, torch.int64):
        found = consistency(images.to(dtype), measurements.to(dtype), A2)
        torch.testing.assert_close(found, expected)
    with pytest.raises(TypeError, match=r"images has dtype torch\.complex64"):
        consistency(images + 0j, measurements, A2)
    with pytest.raises(ValueError, match=r"images has shape \(3, 16\): expected \(\.\.\., 1, 16\)"):
        consistency(images, measurements[:1], A2)
    with pytest.raises(ValueError, match=r"measurements has shape \(3, 1\): expected \(B, 4\)"):
        consistency(images, measurements[:, :1], A2)


def test_sizes_that_no_machine_could_hold_are_refused():
    with pytest.raises(ValueError, match=r"image_shape=\(1024, 1024\): expected at most 46340"):
        block_means((1024, 1024), 2)
    with pytest.raises(ValueError, match="factor=100000: expected a whole number from 1 to 11585"):
        bicubic(torch.zeros(1, 16), (4, 4), 100_000)
    with pytest.raises(ValueError, match=r"image_shape=\(3, 4, 4\): .* take one colour"):
        block_means((3, 4, 4), 2)
