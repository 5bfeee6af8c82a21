"""Langevin chains against densities whose moments are known."""

import pytest
import torch

from vqvae_lib.applications.langevin import climb, langevin


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_chains_forget_where_they_began_and_have_the_moments():
    """Two Gaussians of different width, begun far away."""
    widths = torch.tensor([0.2, 3.0]).double()
    start = 2 + torch.randn(3000, 2, 3, generator=generator()).double()
    found = langevin(
        lambda z: -0.5 * ((z - 1) / widths[:, None]).square().sum(-1),
        start, steps=400, generator=generator(1),
    )  # fmt: skip
    assert torch.allclose(found.z.mean((0, 2)), torch.ones(2).double(), atol=0.15)
    assert torch.allclose(found.z.std((0, 2)) / widths, torch.ones(2).double(), atol=0.05)
    assert ((found.acceptance - 0.574).abs() < 0.15).all()


def test_the_metropolis_test_keeps_a_skewed_density_exact():
    """log p = z - e^z is that of log E, E exponential: mean -0.5772, variance π²/6."""
    found = langevin(
        lambda z: (z - z.exp()).sum(-1), torch.zeros(20_000, 1, 1).double(),
        steps=200, step_size=1.5, generator=generator(),
    ).z[:, 0, 0]  # fmt: skip
    assert found.mean().item() == pytest.approx(-0.5772, abs=0.05)
    assert found.var().item() == pytest.approx(torch.pi**2 / 6, rel=0.06)


def test_a_climb_ends_at_the_peak():
    peak = torch.tensor([0.5, -2.0, 3.0]).double()
    end = climb(lambda z: -(z - peak).square().sum(-1), torch.zeros(2, 1, 3).double(), steps=300)
    assert torch.allclose(end, peak.expand(2, 1, 3), atol=1e-3)


def test_bad_input_is_named():
    def density(z):
        return -z.square().sum(-1)

    z = torch.zeros(2, 1, 1)
    with pytest.raises(ValueError, match="steps=1: expected"):
        langevin(density, z, steps=1, generator=generator())
    with pytest.raises(ValueError, match="step_size=0: expected"):
        langevin(density, z, steps=2, step_size=0, generator=generator())
    with pytest.raises(ValueError, match="not finite where the chains begin"):
        langevin(lambda z: z.sum(-1).log(), z, steps=2, generator=generator())
