"""Numbers at the edge: far from the origin, whole, very small, very large, very many."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

import vqvae_lib as vq
from vqvae_lib.bounds import gaussian_log_prob
from vqvae_lib.inference import holm, sign_flip_test, t_interval, t_test
from vqvae_lib.metrics import Estimate


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ---------------------------------------------------------------- far from the origin

X, Y = draws(120, 20), draws(90, 20, seed=1)
LABELS = torch.arange(120) % 3
CODES = X + 1.5 * LABELS[:, None]
PICTURES = {
    "neighbours": lambda s: vq.knn_accuracy(
        CODES[:80] + s, LABELS[:80], CODES[80:] + s, LABELS[80:]
    ),
    "a probe": lambda s: vq.linear_probe_accuracy(
        CODES[:80] + s, LABELS[:80], CODES[80:] + s, LABELS[80:]
    ),
    "trustworthiness": lambda s: vq.trustworthiness(X + s, X[:, :16] + s),
    "dimension": lambda s: vq.intrinsic_dimension(X + s).estimate,
    "mmd2": lambda s: vq.mmd2(X + s, Y + s, bandwidth=3.0),
    "PCA": lambda s: vq.PCA.fit(X + s, 3).mse(X + s),
}


@pytest.mark.parametrize("measure", PICTURES.values(), ids=PICTURES)
@pytest.mark.parametrize("shift", [1e4, -1e8])
def test_the_origin_does_not_matter(measure, shift):
    # What float64 keeps of the data at 1e8 are eight digits of each.
    assert measure(shift) == pytest.approx(measure(0.0), rel=1e-6, abs=1e-6)


def test_mmd2_does_not_depend_on_the_order_of_rows():
    x = X.repeat(12, 1) + 1e8 + draws(1440, 20, seed=3)  # more rows than are taken at a time
    there, back = vq.mmd2(x, Y + 1e8, bandwidth=3.0), vq.mmd2(x.flip(0), Y + 1e8, bandwidth=3.0)
    assert there == pytest.approx(back, abs=1e-14)


# ---------------------------------------------------------------- whole numbers


def test_whole_numbers_are_measured_as_real_ones():
    pixels = (128 + 40 * X).round().clamp(0, 255).to(torch.uint8)
    assert torch.equal(
        vq.PCA.fit(pixels, 3).encode(pixels), vq.PCA.fit(pixels.float(), 3).encode(pixels.float())
    )
    assert vq.mse(pixels, 255 - pixels) == vq.mse(pixels.double(), 255.0 - pixels.double())
    mu, log_var = torch.ones(2, 3, dtype=torch.int64), torch.zeros(2, 3, dtype=torch.int64)
    kl = vq.gaussian_kl(mu, log_var, log_var_p=math.log(0.5))
    expected = kl_divergence(Normal(1.0, 1.0), Normal(0.0, 0.5**0.5))
    assert kl.tolist() == pytest.approx([3 * expected.item()] * 2)


def test_complex_numbers_are_refused():
    for call in (
        lambda z: vq.mmd2(z, z, bandwidth=1.0),
        lambda z: vq.PCA.fit(z, 1),
        lambda z: vq.mse(z, z),
        lambda z: vq.gaussian_kl(z, z.real),
        lambda z: vq.Gaussian().log_prob(z, z),
    ):
        with pytest.raises(TypeError, match="complex"):
            call(torch.complex(X, X))


# ---------------------------------------------------------------- shapes that would be broadcast


@pytest.mark.parametrize("p", [vq.Bernoulli(), vq.Binomial(3), vq.Gaussian(), vq.Gaussian(0.1)])
def test_likelihoods_do_not_broadcast(p):
    for x, params in (((4, 3), (1, 3)), ((1, 3), (4, 3)), ((4, 3), (3,)), ((4, 3), (4, 2, 3))):
        with pytest.raises(ValueError, match=r"x has shape .* and params"):
            p.log_prob(torch.ones(x), torch.zeros(params))
    # Leading axes are free: draws of z.
    assert p.log_prob(torch.ones(4, 3), torch.zeros(7, 4, 3)).shape == (7, 4, 3)


def test_the_elbo_does_not_broadcast():
    with pytest.raises(ValueError, match=r"kl has shape \(3,\): expected \(1,\)"):
        vq.elbo(torch.zeros(3, 1), torch.zeros(3))
    with pytest.raises(ValueError, match="beta=-1: expected a finite number at least 0"):
        vq.elbo(torch.zeros(3), torch.zeros(3), beta=-1)


# ---------------------------------------------------------------- very small, very large


@pytest.mark.parametrize("log_var", [-160.0, -100.0, -88.8, 0.0, 80.0])
def test_extreme_variances_have_finite_densities(log_var):
    """In float32 the variance or its inverse is 0 or infinite at most of these."""
    z = torch.tensor([[0.5, -1.0]], requires_grad=True)
    far = torch.exp(torch.tensor(0.5 * log_var)) * torch.tensor([[1.0, -2.0]])
    log_p = gaussian_log_prob(z, z.detach() + far, log_var)
    exact = Normal(
        0.0, torch.tensor(0.5 * log_var).double().exp()
    ).log_prob  # in float64 there is room
    distances = (z.detach() + far - z.detach()).double()
    expected = sum(exact(distance).item() for distance in distances[0])
    assert log_p.item() == pytest.approx(expected, rel=1e-5)
    assert gaussian_log_prob(z, z.detach(), log_var).item() == pytest.approx(
        -(log_var + math.log(2 * math.pi)), rel=1e-6
    )


def test_a_prior_of_extreme_variance_has_a_finite_divergence():
    mu = torch.full((1, 1), 1e-25)
    kl = vq.gaussian_kl(mu, torch.full((1, 1), -110.0), mu_p=0.0, log_var_p=-110.0)
    assert kl.item() == pytest.approx(0.5 * 1e-50 * math.exp(110.0), rel=1e-5)


def test_a_variance_that_underflows_leaves_finite_densities():
    p = vq.Gaussian("per_dimension", min_variance=0)
    params = torch.tensor([[0.3, -120.0]], requires_grad=True)
    log_p = p.log_prob(torch.tensor([[0.3]]), params)
    log_p.sum().backward()
    assert log_p.item() > 40
    assert params.grad.isfinite().all()


@pytest.mark.parametrize("logit", [-1e4, -90.0, 30.0, 1e4])
@pytest.mark.parametrize("x", [0.0, 1.0])
def test_large_logits_are_right_up_to_their_own_rounding(x, logit):
    exact = Bernoulli(logits=torch.tensor(logit, dtype=torch.float64)).log_prob(
        torch.tensor(x).double()
    )
    params = torch.full((1, 1), logit)
    log_p = vq.Bernoulli().log_prob(torch.full((1, 1), x), params)
    assert log_p.item() == pytest.approx(exact.item(), abs=2e-7 * abs(logit), rel=1e-6)


@pytest.mark.parametrize("n", [16, 255, 65535])
def test_many_counts_keep_their_nats_in_float32(n):
    k, p = n // 3, 0.35
    params = torch.full((1, 1), math.log(p / (1 - p)))
    log_p = vq.Binomial(n).log_prob(torch.full((1, 1), k / n), params)
    rounded = n * float(torch.tensor(k / n))  # the count as float32 holds it
    exact = scipy.stats.binom.logpmf(k, n, torch.sigmoid(params.double()).item())
    slope = math.log(k / (n - k)) - params.item()
    assert log_p.item() == pytest.approx(exact, abs=abs(slope * (rounded - k)) + 2e-5)


# ---------------------------------------------------------------- tests that overflow


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1e200, 2e200], "values reaches 2e[+]200: expected another unit"),
        (np.array([1.0, math.nan]), r"values\[1\] is nan: expected finite numbers"),
        ([1.0, math.inf], r"values\[1\]=inf: expected a finite number"),
        ([True, False], r"values\[0\]=True: expected a finite number"),
        ([1.0], "values.*: expected two or more numbers"),
    ],
)
def test_what_cannot_be_averaged_is_refused(values, message):
    for call in (t_interval, sign_flip_test):
        with pytest.raises(ValueError, match=message):
            call(values)


@pytest.mark.parametrize("p", [math.nan, -0.1, 1.5, None, "0.1"])
def test_a_family_with_a_p_that_is_none_is_refused(p):
    with pytest.raises(ValueError, match=r"p\['b'\]=.*: expected a finite number"):
        holm({"a": 0.01, "b": p})


# ---------------------------------------------------------------- very many


def test_memory_for_all_pairs_is_not_asked_for():
    many = torch.zeros(40_000, 2)
    with pytest.raises(ValueError, match="x has 40000 rows: expected at most 10000"):
        vq.trustworthiness(many, many)
    with pytest.raises(ValueError, match="x has 30000 columns: expected at most 20000"):
        vq.FullGaussian.fit(torch.zeros(2, 30_000))


def test_numpy_rows_and_wider_rows_give_the_same():
    x, z = X.float(), CODES.float()
    pca = vq.PCA.fit(x, 2)
    for rows in (x.numpy(), x.double(), x.numpy().astype(">f8"), np.asfortranarray(x.numpy())):
        assert torch.equal(pca.encode(rows), pca.encode(x))
        assert pca.mse(rows) == pytest.approx(pca.mse(x), rel=1e-12)
    assert vq.knn_accuracy(z.numpy(), LABELS.numpy(), z, LABELS.int()) == vq.knn_accuracy(
        z, LABELS, z, LABELS
    )


# ---------------------------------------------------------------- squares that are no numbers


@pytest.mark.parametrize("scale", [1e-170, 1e170, 1e307])
@pytest.mark.parametrize(
    "measure",
    [
        lambda s: vq.knn_accuracy(CODES * s, LABELS, CODES * s, LABELS),
        lambda s: vq.linear_probe_accuracy(CODES, LABELS, CODES * s, LABELS),
        lambda s: vq.linear_probe_accuracy(CODES * s, LABELS, CODES, LABELS),
        lambda s: vq.trustworthiness(X * s, X),
        lambda s: vq.trustworthiness(X, X * s),
        lambda s: vq.intrinsic_dimension(X * s),
        lambda s: vq.mmd2(X * s, Y * s, bandwidth=3.0 * s),
        lambda s: vq.mmd2(X, Y * s, bandwidth=3.0),
        lambda s: vq.mmd2(X * s, Y, bandwidth=3.0),
        lambda s: vq.mse(X * s, 2 * X),
        lambda s: vq.mse(X, X * s),
        lambda s: Estimate.of(X[:, 0] * s),
        lambda s: vq.PCA.fit(X * s, 2),
        lambda s: t_test((X[:9, 0] * s).tolist()),
    ],
)
def test_numbers_whose_squares_are_none_are_refused(measure, scale):
    with pytest.raises(ValueError, match=r"\w+ reaches \S+: expected another unit"):
        measure(scale)


@pytest.mark.parametrize("scale", [1e-140, 1e140])
def test_the_unit_does_not_matter_up_to_there(scale):
    assert vq.mmd2(X * scale, Y * scale, bandwidth=3 * scale) == pytest.approx(
        vq.mmd2(X, Y, bandwidth=3.0)
    )
    assert vq.trustworthiness(X * scale, X[:, :16] * scale) == vq.trustworthiness(X, X[:, :16])
    assert t_test((X[:9, 0] * scale).tolist()) == pytest.approx(t_test(X[:9, 0].tolist()))


@pytest.mark.parametrize("log_var", [-180.0, -1e4])
def test_at_its_mean_a_gaussian_of_any_variance_has_a_density(log_var):
    z = torch.zeros(1, 1, requires_grad=True)
    spread = torch.full((1, 1), log_var, requires_grad=True)
    log_p = gaussian_log_prob(z, 0.0, spread)
    log_p.backward()
    assert log_p.item() == pytest.approx(-0.5 * (log_var + math.log(2 * math.pi)))
    assert (z.grad.item(), spread.grad.item()) == (0.0, -0.5)
    assert vq.gaussian_kl(z, spread, 0.0, spread).item() == 0


@pytest.mark.parametrize("raw", [89.0, 1e4])
def test_a_variance_that_overflows_leaves_finite_densities(raw):
    params = torch.tensor([[0.3, raw]], requires_grad=True)
    log_p = vq.Gaussian("per_dimension").log_prob(torch.tensor([[0.1]]), params)
    log_p.sum().backward()
    assert log_p.isfinite().all()
    assert params.grad.isfinite().all()


@pytest.mark.parametrize("variance", [1e-50, 1e39])
def test_a_variance_that_float32_cannot_hold_is_refused(variance):
    with pytest.raises(ValueError, match=r"variance=.*: expected a finite number at least"):
        vq.Gaussian(variance)
    for name in ("min_variance", "initial_variance"):
        with pytest.raises(ValueError, match=rf"^{name}=1e[+]39: expected a finite number"):
            vq.Gaussian("shared", **{"initial_variance": 1e38, name: 1e39})


def test_a_likelihood_computes_in_the_dtype_of_its_parameters():
    x, params = torch.full((1, 1), 0.25), torch.full((1, 1), 0.1, dtype=torch.float64)
    log_p = vq.Gaussian(0.09).log_prob(x, params)
    assert log_p.dtype == torch.float64
    exact = scipy.stats.norm.logpdf(0.25, 0.1, 0.3)
    assert log_p.item() == pytest.approx(exact, rel=1e-14)


def test_what_is_measured_twice_is_seen_whatever_rounding_leaves():
    prior = vq.FullGaussian.fit(X)
    pixels = torch.eye(20, dtype=torch.float64)
    for scale in (1.0, 3.0, 1e-9):
        twice = torch.stack([pixels[0], scale * pixels[0]])
        with pytest.raises(ValueError, match="the covariance is singular"):
            prior.condition(torch.zeros(1, 2), twice)
    # Small is not singular.
    seen = prior.condition(torch.tensor([[1.0, 2e-9]]), torch.stack([pixels[0], 1e-9 * pixels[1]]))
    assert seen.mean[0, :2].tolist() == pytest.approx([1.0, 2.0])


def test_many_units_are_not_held_with_all_their_signs(monkeypatch):
    whole, held = scipy.stats.permutation_test, []

    def watch(*args, n_resamples, batch, **kwargs):
        held.append(batch * len(args[0][0]))
        return whole(*args, n_resamples=9, batch=batch, **kwargs)

    monkeypatch.setattr("scipy.stats.permutation_test", watch)
    for units in (5, 1000, 100_000):
        sign_flip_test(np.linspace(-1, 2, units))
    assert max(held) < 2**21
