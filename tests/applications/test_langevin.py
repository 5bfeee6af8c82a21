"""Langevin chains against densities known in closed form or by numerical integration."""

import numpy as np
import pytest
import torch
from scipy.integrate import cumulative_trapezoid
from scipy.stats import kstest

from vqvae_lib.applications.langevin import climb, langevin

CHAINS = 20_000


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def two_humps(z):
    """An unnormalised density with humps of different height and width: (C, B, 1) -> (C, B)."""
    z = z[..., 0]
    left = -((z + 1.2).square()) / (2 * 0.5**2)
    right = -((z - 1.1).square()) / (2 * 0.8**2)
    return torch.logaddexp(left, right + 0.5)


def skewed(z):
    """The density of log E, E exponential: its left tail is long and its right one short."""
    return (z - z.exp())[..., 0]


class Integral:
    """A density in one dimension, integrated numerically."""

    def __init__(self, log_density):
        self.grid = np.linspace(-20, 8, 40_001)
        density = log_density(torch.from_numpy(self.grid)[:, None, None])[:, 0].exp().numpy()
        cdf = cumulative_trapezoid(density, self.grid, initial=0)
        self.density, self.values = density / cdf[-1], cdf / cdf[-1]

    def cdf(self, z):
        return np.interp(z, self.grid, self.values)

    def moment(self, power, centre=0.0):
        return np.trapezoid(self.density * (self.grid - centre) ** power, self.grid)

    def draw(self, n, seed):
        u = np.random.default_rng(seed).uniform(size=n)
        return torch.from_numpy(np.interp(u, self.values, self.grid))[:, None, None]  # (n, 1, 1)


def expect_draws(z, exact):
    """Mean, variance and distribution of independent draws, all within their sampling error."""
    z = z.flatten().numpy()
    mean, n = exact.moment(1), len(z)
    variance = exact.moment(2, mean)
    error_of_variance = ((exact.moment(4, mean) - variance**2) / n) ** 0.5
    assert abs(z.mean() - mean) < 4 * (variance / n) ** 0.5
    assert abs(z.var() - variance) < 4 * error_of_variance
    assert kstest(z, exact.cdf).pvalue > 1e-4


@pytest.mark.parametrize("log_density", [two_humps, skewed])
def test_exact_draws_stay_exact(log_density):
    """The density is what the chains leave unchanged, at the steps they choose themselves."""
    exact = Integral(log_density)
    found = langevin(log_density, exact.draw(CHAINS, 1), steps=60, generator=generator(2))
    expect_draws(found.z, exact)


@pytest.mark.parametrize("log_density", [two_humps, skewed])
def test_chains_forget_where_they_started(log_density):
    start = torch.full((CHAINS, 1, 1), -2.0).double()
    found = langevin(log_density, start, steps=300, generator=generator(4))
    expect_draws(found.z, Integral(log_density))
    assert abs(found.acceptance.item() - 0.574) < 0.1


def test_a_wide_and_a_narrow_gaussian_side_by_side():
    """Each density has its own step; both start far away."""
    widths = torch.tensor([0.2, 3.0]).double()
    start = 2 + torch.randn(3000, 2, 3, generator=generator()).double()
    found = langevin(
        lambda z: -0.5 * ((z - 1) / widths[:, None]).square().sum(-1),
        start, steps=400, generator=generator(1),
    )  # fmt: skip
    z = (found.z - 1) / widths[:, None]  # 9000 standard normal numbers for each density
    assert (z.mean((0, 2)).abs() < 4 / 9000**0.5).all()
    assert ((z.var((0, 2)) - 1).abs() < 4 * (2 / 9000) ** 0.5).all()
    assert ((found.acceptance - 0.574).abs() < 0.1).all()


def test_a_scale_of_each_direction_leaves_the_density_as_it_is():
    widths = torch.tensor([[0.05, 1.0, 20.0]]).double()  # (B, d)
    found = langevin(
        lambda z: -0.5 * (z / widths).square().sum(-1),
        widths * torch.randn(5000, 1, 3, generator=generator()).double(),
        steps=100, scale=2 * widths, generator=generator(1),
    )  # fmt: skip
    variances = (found.z / widths).var(0)
    assert ((variances - 1).abs() < 4 * (2 / 5000) ** 0.5).all()
    # Directions of one scale move alike: without it the widest would have stood still.
    assert ((found.acceptance - 0.574).abs() < 0.1).all()


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
    with pytest.raises(ValueError, match=r"z has shape \(1, 1\): expected \(C, B, d\)"):
        langevin(density, z[0], steps=2, generator=generator())
    with pytest.raises(ValueError, match="nan or inf where the chains start"):
        langevin(lambda z: z.sum(-1).log(), z, steps=2, generator=generator())


def test_widths_may_be_numbers_or_one_for_each_direction():
    z = torch.randn(50, 3, 2, generator=generator(), dtype=torch.float64)

    def normal(z):
        return -0.5 * z.square().sum(-1)

    expected = langevin(normal, z, steps=6, scale=0.5, generator=generator()).z
    for scale in (np.float32(0.5), torch.full((2,), 0.5), np.full((3, 2), 0.5), torch.tensor(0.5)):
        found = langevin(normal, z, steps=6, scale=scale, generator=generator()).z
        torch.testing.assert_close(found, expected)
    for scale, said in (
        (0.0, "scale=0.0: expected a finite number above 0"),
        (torch.tensor([1.0, -1.0]), r"scale\[1\] is -1"),
        (torch.ones(3), r"scale has shape \(3,\): expected \(d,\) or \(3, 2\)"),
        (torch.ones(50, 3, 2), r"scale has shape \(50, 3, 2\)"),
        (torch.ones(2, 2), r"scale has shape \(2, 2\)"),
        ("wide", "scale='wide'"),
    ):
        with pytest.raises(ValueError, match=said):
            langevin(normal, z, steps=6, scale=scale, generator=generator())


def test_a_density_without_a_slope_or_of_another_shape_is_named():
    z = torch.zeros(4, 3, 2)
    with pytest.raises(ValueError, match=r"log_density\(z\) does not follow z by autograd"):
        climb(lambda z: torch.zeros(4, 3), z, steps=2)
    with pytest.raises(ValueError, match=r"log_density\(z\) has shape \(4,\): expected \(4, 3\)"):
        langevin(lambda z: z.sum((1, 2)), z, steps=2, generator=generator())
    with pytest.raises(TypeError, match=r"log_density is a str: expected a function"):
        climb("peak", z, steps=2)


def test_chains_run_in_inference_mode():
    with torch.inference_mode():
        z = torch.randn(5, 1, 1, generator=generator())
        top = climb(two_humps, z, steps=3)
        walked = langevin(two_humps, z, steps=4, generator=generator()).z
    assert torch.equal(top, climb(two_humps, z.clone(), steps=3))
    assert torch.equal(walked, langevin(two_humps, z.clone(), steps=4, generator=generator()).z)
