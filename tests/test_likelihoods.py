"""Likelihoods against torch.distributions, and their samples against their own means."""

import functools
import math

import pytest
import torch
from torch import distributions as td

import vqvae_lib as vq
from vqvae_lib.likelihoods import Likelihood


def draws(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rand(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


COINS = (rand(7, 5) < 0.4).double()
COUNTS = (16 * rand(7, 5)).floor() / 16
REALS = draws(7, 5)


def cases():
    """Likelihood, data, decoder's output with an axis of draws, and torch's distribution."""
    one, two = 3 * draws(4, 7, 5), draws(4, 7, 10)
    yield vq.Bernoulli(), COINS, one, td.Bernoulli(logits=one), 1.0
    yield vq.Binomial(16), COUNTS, one, td.Binomial(16, logits=one), 16.0
    fixed = vq.Gaussian(0.5)
    yield fixed, REALS, one, td.Normal(one, math.sqrt(0.5)), 1.0
    shared = vq.Gaussian().double()
    with torch.no_grad():
        shared.raw_log_var.fill_(-1.3)
    yield shared, REALS, one, td.Normal(one, math.sqrt(math.exp(-1.3) + 1e-4)), 1.0
    mean, raw = two[..., :5], two[..., 5:]
    each = vq.Gaussian("per_dimension", min_variance=0.01)
    yield each, REALS, two, td.Normal(mean, (raw.exp() + 0.01).sqrt()), 1.0


NAMES = ["Bernoulli", "Binomial", "Gaussian fixed", "Gaussian shared", "Gaussian per dimension"]


@pytest.mark.parametrize(("p", "x", "params", "oracle", "unit"), list(cases()), ids=NAMES)
def test_log_prob_and_mean_are_those_of_torch(p, x, params, oracle, unit):
    assert torch.allclose(p.log_prob(x, params), oracle.log_prob(unit * x), rtol=1e-7, atol=1e-12)
    assert torch.allclose(p.mean(params), oracle.mean / unit)
    p.check_data(x)
    p.check_params(params, 5)


@pytest.mark.parametrize(("p", "x", "params", "oracle", "unit"), list(cases()), ids=NAMES)
def test_samples_have_the_mean_and_variance_of_the_distribution(p, x, params, oracle, unit):
    """All 140 means within five standard errors, the variances within a tenth on average."""
    S = 4000
    samples = p.sample(params.expand(S, *params.shape), generator=torch.Generator().manual_seed(0))
    assert samples.shape == (S, 4, 7, 5)
    p.check_data(samples)
    mean, variance = oracle.mean / unit, oracle.variance / unit**2
    assert ((samples.mean(0) - mean).abs() <= 5 * (variance / S).sqrt() + 1e-9).all()
    assert (samples.var(0) / variance).mean().item() == pytest.approx(1, abs=0.1)
    again = p.sample(params.expand(S, *params.shape), generator=torch.Generator().manual_seed(0))
    assert torch.equal(samples, again)


@pytest.mark.parametrize("p", [vq.Bernoulli(), vq.Binomial(16)])
def test_certain_pixels_stay_finite_and_right_in_float32(p):
    params = torch.tensor([[80.0, -80.0]])
    assert p.log_prob(torch.tensor([[1.0, 0.0]]), params).abs().max() < 1e-5
    wrong = p.log_prob(torch.tensor([[0.0, 1.0]]), params) / getattr(p, "total_count", 1)
    assert torch.allclose(wrong, torch.tensor([[-80.0, -80.0]]))


def test_probabilities_of_all_counts_sum_to_one():
    p, params = vq.Binomial(16), torch.full((17, 1), 0.7, dtype=torch.float64)
    counts = torch.arange(17, dtype=torch.float64)[:, None] / 16
    assert p.log_prob(counts, params).exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_a_shared_variance_settles_at_the_mean_squared_error():
    p = vq.Gaussian()
    error = 0.2 * draws(500, 5).float()
    optimizer = torch.optim.Adam(p.parameters(), lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        (-p.log_prob(error, torch.zeros(500, 5)).mean()).backward()
        optimizer.step()
    assert p.variance(error).item() == pytest.approx(error.square().mean().item(), rel=1e-3)


@pytest.mark.parametrize("variance", ["shared", "per_dimension"])
def test_the_floor_holds_and_still_lets_the_variance_rise(variance):
    p = vq.Gaussian(variance, min_variance=1e-3)
    params = torch.full((1, p.params_per_dimension), -200.0, requires_grad=True)
    if variance == "shared":
        with torch.no_grad():
            p.raw_log_var.fill_(-10.0)
    assert p.variance(params).min().item() == pytest.approx(1e-3, rel=0.05)
    off = params[:, :1].detach() + 1
    (-p.log_prob(off, torch.cat([params[:, :1], params[:, 1:] * 0 - 10], 1)).sum()).backward()
    slope = p.raw_log_var.grad if variance == "shared" else params.grad
    assert torch.isfinite(slope).all()
    assert variance == "per_dimension" or slope < 0


def test_squared_error_is_a_gaussian_of_variance_one_half():
    """-log p(x|z) = ½ ‖x - x_hat‖²/σ² + constants: σ² = ½ for the sum, D/2 for the mean."""
    x, x_hat = draws(7, 5), draws(7, 5, seed=1)
    squares = (x - x_hat).square().sum(1)
    for variance, error in ((0.5, squares), (2.5, squares / 5)):
        p = vq.Gaussian(variance)
        constant = 2.5 * math.log(2 * math.pi * variance)
        assert torch.allclose(-p.log_prob(x, x_hat).sum(1), error + constant)


@pytest.mark.parametrize(
    ("p", "bad", "expected"),
    [
        (vq.Bernoulli(), 0.5, r"x\[2, 1\] is 0.5: expected 0 or 1 \(binaris"),
        (vq.Bernoulli(), float("nan"), "is nan: expected 0 or 1"),
        (vq.Bernoulli(), 2.0, "is 2: expected"),
        (vq.Binomial(16), 0.3, r"is 0.3: expected fractions in \[0, 1\], counts divided by 16"),
        (vq.Binomial(16), 17 / 16, "is 1.0625: expected"),
        (vq.Binomial(16), -1 / 16, "is -0.0625: expected"),
        (vq.Binomial(16), float("nan"), "is nan"),
        (vq.Gaussian(), float("inf"), "is inf: expected finite numbers"),
    ],
)
def test_data_that_cannot_be_are_refused(p, bad, expected):
    x = torch.zeros(4, 3)
    p.check_data(x)
    x[2, 1] = bad
    with pytest.raises(ValueError, match=expected):
        p.check_data(x)


@pytest.mark.parametrize(
    ("p", "width", "expected"),
    [
        (
            vq.Bernoulli(),
            6,
            r"output has shape \(4, 6\): expected \(..., 3\), the logit of each of D=3",
        ),
        (vq.Gaussian(), 6, r"\(4, 6\): expected \(..., 3\), the mean of each of D=3 .* Gaussian\("),
        (
            vq.Gaussian("per_dimension"),
            3,
            r"\(4, 3\): expected \(..., 6\), the mean and the raw_log_var of each of D=3",
        ),
    ],
)
def test_a_decoder_that_does_not_fit_is_refused(p, width, expected):
    with pytest.raises(ValueError, match=expected):
        p.check_params(torch.zeros(4, width), 3)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (
            lambda: vq.Bernoulli().log_prob(torch.zeros(4, 3), torch.zeros(4, 1)),
            r"output has shape \(4, 1\): expected \(..., 3\), the logit of each of D=3",
        ),
        (
            lambda: vq.Binomial(16).log_prob(torch.zeros(4, 3), torch.zeros(2, 4, 1)),
            r"output has shape \(2, 4, 1\): expected \(..., 3\)",
        ),
        (
            lambda: vq.Gaussian().log_prob(torch.zeros(4, 3), torch.zeros(4, 1)),
            r"output has shape \(4, 1\): expected \(..., 3\), the mean",
        ),
        (
            lambda: vq.Gaussian("per_dimension").log_prob(torch.zeros(4, 3), torch.zeros(4, 2)),
            r"output has shape \(4, 2\): expected \(..., 6\), the mean and the raw_log_var",
        ),
        (
            lambda: vq.Gaussian(0.1).log_prob(torch.zeros(4, 3), torch.tensor(0.0)),
            r"output has shape \(\): expected \(..., 3\)",
        ),
        *(
            (
                functools.partial(getattr(vq.Gaussian("per_dimension"), name), torch.zeros(4, 5)),
                r"output has shape \(4, 5\): expected \(..., 2 \* D\), the mean and the "
                r"raw_log_var of each of D dimensions, for Gaussian\(",
            )
            for name in ("mean", "sample", "variance", "check_params")
        ),
    ],
)
def test_parameters_of_another_width_are_refused_by_every_method(call, expected):
    with pytest.raises(ValueError, match=expected):
        call()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [1, 3, 16, 255, 20_000])
def test_counts_are_known_up_to_rounding_in_their_precision(n, dtype):
    p, k = vq.Binomial(n), torch.arange(n + 1, dtype=dtype)
    x = (k / n)[:, None]
    neighbour = torch.nextafter(x, 1 - x)  # a rounding error away
    for counts in (x, neighbour, 1 - x):
        p.check_data(counts)
    for off in (0.3, 0.02):
        with pytest.raises(ValueError, match=f"expected fractions .* divided by {n}"):
            p.check_data((k[:-1, None] + off) / n)
    exact = td.Binomial(n, logits=torch.tensor(0.25).double()).log_prob(k.double())
    error = (p.log_prob(x, torch.full_like(x, 0.25))[:, 0] - exact).abs()
    assert error.max() <= 20 * n * max(1, math.log(n)) * torch.finfo(dtype).eps


def test_between_counts_the_gamma_function_continues_the_formula():
    n, k, logit = 16, 4.8, 0.25
    log_choose = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    expected = log_choose + k * logit - n * math.log1p(math.exp(logit))
    x, params = torch.tensor([[[k / n]], [[logit]]], dtype=torch.float64)
    assert vq.Binomial(n).log_prob(x, params).item() == pytest.approx(expected, rel=1e-12)


def test_a_value_between_two_counts_is_refused_however_close_it_is():
    with pytest.raises(ValueError, match="expected fractions"):
        vq.Binomial(16).check_data(torch.tensor([[0.5 + 1e-6]]))


def test_gradients_pass_through_a_gaussian_s_samples_alone():
    def slope(p):
        params = torch.zeros(4, 3, requires_grad=True)
        return torch.autograd.grad(p.sample(params).sum(), params)[0]

    assert (slope(vq.Gaussian(0.5)) == 1).all()
    assert (slope(vq.Bernoulli()) == 0).all()
    with pytest.raises(RuntimeError, match="derivative for aten::binomial is not implemented"):
        slope(vq.Binomial(16))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            lambda: vq.Gaussian(0.01, min_variance=1.0),
            "min_variance=1.0 with variance=0.01, which does not use it: expected min_variance to",
        ),
        (
            lambda: vq.Gaussian(0.01, initial_variance=0.3),
            "initial_variance=0.3 with variance=0.01, which does not use it",
        ),
        (
            lambda: vq.Gaussian("per_dimension", initial_variance=0.3),
            "initial_variance=0.3 with variance='per_dimension', which does not use it: expected "
            "initial_variance to be left out, or variance='shared'",
        ),
        (lambda: vq.Gaussian("shard"), "variance='shard': expected 'shared', 'per_dimension' or a"),
        (lambda: vq.Gaussian("fixed"), "variance='fixed': expected 'shared'"),
        (lambda: vq.Gaussian(True), "variance=True: expected a finite number at least"),
        (lambda: vq.Gaussian(0), "variance=0: expected"),
        (lambda: vq.Gaussian(float("nan")), "variance=nan: expected"),
        (lambda: vq.Gaussian(None), "variance=None: expected"),
        (lambda: vq.Gaussian(min_variance=-1), "min_variance=-1: expected"),
        (
            lambda: vq.Gaussian(initial_variance=1e-4),
            "initial_variance=0.0001: expected a finite number above 0.0001",
        ),
        (lambda: vq.Gaussian(initial_variance=-1.0), "initial_variance=-1.0: expected"),
        (lambda: vq.Gaussian(initial_variance=math.inf), "initial_variance=inf: expected"),
        (lambda: vq.Binomial(0), "total_count=0: expected"),
        (lambda: vq.Binomial(1.5), "total_count=1.5: expected"),
    ],
)
def test_impossible_settings_are_refused(make, expected):
    with pytest.raises(ValueError, match=expected):
        make()


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (vq.Bernoulli(), "Bernoulli()"),
        (vq.Binomial(16), "Binomial(total_count=16)"),
        (vq.Gaussian(0.5), "Gaussian(variance=0.5)"),
        (
            vq.Gaussian(initial_variance=0.03),
            "Gaussian(variance='shared', min_variance=0.0001, initial_variance=0.03)",
        ),
        (
            vq.Gaussian("per_dimension", min_variance=0.01),
            "Gaussian(variance='per_dimension', min_variance=0.01)",
        ),
    ],
)
def test_a_printed_likelihood_can_be_built_again(p, text):
    assert repr(p) == text
    again = eval(text, vars(vq))
    assert repr(again) == text
    assert type(p)(**p.settings()).settings() == p.settings()


@pytest.mark.parametrize(
    ("p", "names"),
    [
        (vq.Bernoulli(), ("logit",)),
        (vq.Binomial(16), ("logit",)),
        (vq.Gaussian(), ("mean",)),
        (vq.Gaussian(0.5), ("mean",)),
        (vq.Gaussian("per_dimension"), ("mean", "raw_log_var")),
    ],
)
def test_the_parameters_are_counted_by_their_names(p, names):
    assert p.param_names == names
    assert p.params_per_dimension == len(names)


def test_a_likelihood_without_its_formulas_cannot_be_made():
    class Half(Likelihood):
        def mean(self, params):
            return params

    with pytest.raises(TypeError, match="abstract"):
        Half()


@pytest.mark.parametrize(("initial", "floor"), [(0.1, 1e-4), (0.002, 0.0), (0.3, 0.25)])
def test_a_shared_variance_starts_exactly_where_it_is_told_to(initial, floor):
    p = vq.Gaussian(initial_variance=initial, min_variance=floor)
    assert p.variance(torch.zeros(2, 3)).item() == pytest.approx(initial, rel=1e-6)
    assert p.variance_mode == "shared"


def test_a_fixed_variance_is_exact_in_every_precision_and_has_nothing_to_train():
    p = vq.Gaussian(0.3)
    assert p.variance(torch.zeros(2, 3).double()).item() == 0.3
    assert p.double().variance(torch.zeros(2, 3)).dtype == torch.float32
    assert not p.state_dict()
    assert p.variance_mode == "fixed"
