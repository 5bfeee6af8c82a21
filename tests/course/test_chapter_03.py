"""Planted wrong answers of chapter 3: each gets the message that was meant for it."""

import math

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture
from torch import nn

import vqvae_lib as vq
from vqvae_lib.course.exercises import check
from vqvae_lib.course.exercises.chapter_03 import exercise_3
from vqvae_lib.course.exercises.digits import distance_to_mixtures


@pytest.fixture(scope="module")
def digits():
    return vq.load_digits()


def train(digits, d=8, likelihood=None, **options):
    torch.manual_seed(0)
    model = vq.mlp_vae(64, 128, d, likelihood or vq.Gaussian(), **options)
    vq.fit(model, digits.x_train, epochs=50, lr=3e-3, schedule=vq.cosine(50))
    return model


@pytest.fixture(scope="module")
def model(digits):
    return train(digits)


@pytest.fixture(scope="module")
def autoencoder(digits):
    torch.manual_seed(0)
    model = vq.mlp_autoencoder(64, 128, 8)
    vq.fit(model, digits.x_train, epochs=50, lr=3e-3, schedule=vq.cosine(50))
    return model


# Exercise 1 ---------------------------------------------------------------------------------------


def test_samples_of_a_vae_pass_clamped_or_not(model):
    for clamped in (False, True):

        def generate(n, g, clamped=clamped):
            images = model.sample_mean(n, generator=g)
            return images.clamp(0, 1) if clamped else images

        verdict = check.ex_03_1(generate)
        assert verdict.passed, verdict


def test_a_normal_fitted_to_an_autoencoder_s_codes_is_a_generator(digits, autoencoder):
    with torch.no_grad():
        codes = autoencoder.encode(digits.x_train)
    factor = torch.linalg.cholesky(torch.cov(codes.T))

    def generate(n, g):
        z = codes.mean(0) + torch.randn(n, 8, generator=g) @ factor.T
        return autoencoder.decode(z)

    verdict = check.ex_03_1(generate)
    assert verdict.passed, verdict


@pytest.mark.parametrize("components", [10, 30])
def test_a_mixture_fitted_to_an_autoencoder_s_codes_is_a_generator(digits, autoencoder, components):
    with torch.no_grad():
        codes = autoencoder.encode(digits.x_train).double().numpy()
    mixture = GaussianMixture(components, random_state=0, reg_covar=1e-3).fit(codes)
    weights, means, roots = (
        torch.from_numpy(part)
        for part in (mixture.weights_, mixture.means_, np.linalg.cholesky(mixture.covariances_))
    )

    def generate(n, g):
        k = torch.multinomial(weights, n, replacement=True, generator=g)
        noise = torch.randn(n, 8, 1, generator=g, dtype=torch.float64)
        return autoencoder.decode((means[k] + (roots[k] @ noise)[..., 0]).float())

    verdict = check.ex_03_1(generate)
    assert verdict.passed, verdict


def test_wrong_samples_are_recognised(digits, model, autoencoder):
    flat = train(digits, 16, vq.Gaussian(0.5))

    def some(n, g):
        return torch.randint(len(digits.x_train), (n,), generator=g)

    def from_training(n, g, noise=0.0):
        rows = digits.x_train[some(n, g)]
        return rows + noise * torch.randn(rows.shape, generator=g)

    def near_the_middle(n, g):
        return model.likelihood.mean(model.decode(0.6 * torch.randn(n, 8, generator=g)))

    answers = [
        (lambda n, g: model.sample(n, generator=g), "noise"),
        (lambda n, g: autoencoder.decode(torch.randn(n, 8, generator=g)), "no-digits"),
        (lambda n, g: torch.rand(n, 64, generator=g), "noise"),
        (lambda n, g: flat.sample_mean(n, generator=g), "collapsed"),
        (from_training, "copies"),
        (lambda n, g: digits.x_train[:n], "copies"),
        (lambda n, g: digits.x_valid[some(n, g) % len(digits.x_valid)], "copies"),
        (lambda n, g: from_training(n, g, 0.03), "copies"),
        (lambda n, g: from_training(n, g, 0.1), "reconstructions"),
        (lambda n, g: model.reconstruct(digits.x_train[some(n, g)]), "reconstructions"),
        (lambda n, g: model.reconstruct(digits.x_test[some(n, g) % 360]), "reconstructions"),
        (lambda n, g: (from_training(n, g) + from_training(n, g)) / 2, "mixtures"),
        (lambda n, g: 0.3 * from_training(n, g) + 0.7 * from_training(n, g), "mixtures"),
        (near_the_middle, "no-variety"),
        (lambda n, g: digits.x_train.mean(0).expand(n, 64), "same"),
        (lambda n, g: 16 * model.sample_mean(n, generator=g), "range"),
        (lambda n, g: model.sample_mean(n), "generator-unused"),
        (
            lambda n, g: model.sample_mean(n, generator=torch.Generator().manual_seed(0)),
            "fixed",
        ),
        (lambda n, g: model.sample_mean(n, generator=g).reshape(n, 8, 8), "shape"),
    ]
    for number, (answer, kind) in enumerate(answers):
        verdict = check.ex_03_1(answer)
        assert (verdict.status, verdict.kind) == ("wrong", kind), (number, verdict)


def test_a_model_without_forward_is_no_empty_answer(digits):
    """Torch raises NotImplementedError for it: the learner has written something all the same."""

    class Open(nn.Module):
        pass

    verdict = check.ex_03_1(lambda n, g: Open()(torch.randn(n, 8, generator=g)))
    assert (verdict.status, verdict.kind) == ("wrong", "raises")
    assert "forward" in verdict.message


def test_the_distance_to_mixtures_is_that_of_every_pair():
    """Against all pairs and a scan of weights."""
    generator = torch.Generator().manual_seed(0)
    real = torch.rand(7, 5, generator=generator).double()
    images = torch.rand(4, 5, generator=generator).double()
    w = torch.linspace(0, 1, 2001, dtype=torch.float64)[:, None, None, None]
    mixtures = (w * real[:, None] + (1 - w) * real).reshape(-1, 5)
    expected = torch.cdist(images, mixtures).min(1).values / math.sqrt(5)
    torch.testing.assert_close(distance_to_mixtures(images, real), expected, rtol=1e-4, atol=1e-6)


# Exercise 2 ---------------------------------------------------------------------------------------


def test_a_walk_through_codes_passes(model):
    verdict = check.ex_03_2(lambda a, b, n: model.interpolate(a[None], b[None], steps=n)[:, 0])
    assert verdict.passed, verdict


def test_a_walk_that_cannot_stand_still_passes(model):
    """The check asks for a walk from a picture to itself; nothing may depend on it."""

    def on_a_sphere(a, b, n):
        if torch.equal(a, b):
            raise ValueError("no angle between a code and itself")
        return model.interpolate(a[None], b[None], steps=n)[:, 0]

    assert check.ex_03_2(on_a_sphere).passed


def test_wrong_walks_are_recognised(digits, model):
    deep = vq.mlp_autoencoder(64, 128, 32)
    torch.manual_seed(0)
    vq.fit(deep, digits.x_train, epochs=50, lr=3e-3, schedule=vq.cosine(50))
    wide = train(digits, 8, vq.Gaussian(0.02), beta=10.0)

    def through(a, b, n, model=model):
        return model.interpolate(a[None], b[None], steps=n)[:, 0]

    def through_deep(a, b, n):
        first, last = deep.encode(torch.stack([a, b]))
        return deep.decode(first + torch.linspace(0, 1, n)[:, None] * (last - first))

    def fade(a, b, n, when=lambda t: t):
        return torch.stack([a + when(t) * (b - a) for t in torch.linspace(0, 1, n)])

    def largest(a, b, n):
        return torch.stack([torch.maximum(a * (1 - t), b * t) for t in torch.linspace(0, 1, n)])

    def through_black(a, b, n):
        return torch.stack(
            [
                a * (1 - 2 * t).clamp(min=0) + b * (2 * t - 1).clamp(min=0)
                for t in torch.linspace(0, 1, n)
            ]
        )

    def random_ends(a, b, n):
        z = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
        t = torch.linspace(0, 1, n)[:, None]
        return model.likelihood.mean(model.decode(z[:1] + t * (z[1:] - z[:1])))

    def jump(a, b, n):
        path = through(a, b, n)
        return torch.cat([path[:1].expand(n // 2, -1), path[-1:].expand(n - n // 2, -1)])

    def noisy(a, b, n):
        noise = torch.randn(n, 64, generator=torch.Generator().manual_seed(0))
        return through(a, b, n) + 0.05 * noise

    def drawn_anew(a, b, n):
        torch.manual_seed(0)
        first, last = (model.encode(x[None]) for x in (a, b))
        t = torch.linspace(0, 1, n)[:, None]
        mu = first.mu + t * (last.mu - first.mu)
        return model.decode(vq.reparameterise(mu, first.log_var.expand(n, -1)))

    answers = [
        (fade, "pixels"),
        (lambda a, b, n: fade(a, b, n, lambda t: t**3), "pixels"),
        (lambda a, b, n: fade(*model.reconstruct(torch.stack([a, b])), n), "pixels"),
        (largest, "pixels"),
        (through_black, "pixels"),
        (lambda a, b, n: model.reconstruct(fade(a, b, n)), "fade-first"),
        (lambda a, b, n: through(b, a, n), "reversed"),
        (random_ends, "ends"),
        (jump, "jumps"),
        (noisy, "rough"),
        (drawn_anew, "rough"),
        (through_deep, "no-digits"),
        (lambda a, b, n: through(a, b, n, wide), "no-digits"),
        (lambda a, b, n: a.expand(n, 64), "no-movement"),
        (lambda a, b, n: model.interpolate(a[None], b[None], steps=n), "batch-axis"),
        (lambda a, b, n: through(a, b, n)[:5], "shape"),
    ]
    for number, (answer, kind) in enumerate(answers):
        verdict = check.ex_03_2(answer)
        assert (verdict.status, verdict.kind) == ("wrong", kind), (number, verdict)


# Exercise 3 ---------------------------------------------------------------------------------------

# Measured with the chapter's short recipe, d = 8, seed 0, rounded.
CURVE = {
    0.1: (24.6, -27.1),
    0.3: (19.3, -26.6),
    1.0: (12.1, -22.0),
    3.0: (6.1, -10.7),
    8.0: (2.3, 12.0),
    20.0: (0.3, 42.5),
    50.0: (0.0, 52.0),
    100.0: (0.0, 52.0),
}
# The same at other variances, where they were measured at the ends.
LEARNED = {
    0.1: (25.2, -42.4),
    1.0: (11.3, -32.4),
    3.0: (3.1, -10.3),
    20.0: (0, 7.5),
    100.0: (0, 7.5),
}
HALF = {0.1: (7.7, 38.3), 0.3: (3.4, 39.2), 1.0: (0.2, 41.2), 8.0: (0, 41.4), 60.0: (0, 41.4)}
NARROW = {
    0.1: (38.7, 1156),
    1.0: (31.8, 1157),
    8.0: (22.2, 1173),
    20.0: (17.7, 1212),
    100.0: (9.0, 1738),
}
TWO_CODES = {
    0.1: (7.67, 18.5),
    0.3: (6.35, 18.6),
    1.0: (4.83, 18.1),
    3.0: (3.14, 17.1),
    8.0: (1.72, 23.6),
    20.0: (0.02, 52.3),
    100.0: (0.0, 52.3),
}


def changed(f):
    return {beta: f(beta, *pair) for beta, pair in CURVE.items()}


def squared_error(distortion, variance=0.02):
    """Undo the division by 2σ² and the constant."""
    return 2 * variance * (distortion - 32 * math.log(2 * math.pi * variance))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (changed(lambda b, r, d: (d + 45, r)), "swapped"),
        (changed(lambda b, r, d: (-r, d)), "negative-rate"),
        (changed(lambda b, r, d: (360 * r, 360 * d)), "not-per-image"),
        (changed(lambda b, r, d: (13.0 + 0.01 * b**0.5, -35.0)), "beta-unused"),
        (changed(lambda b, r, d: (0.1, 390.0)), "untrained"),
        (changed(lambda b, r, d: (r, d + 6.5 if b > 8 else d)), "untrained"),
        (changed(lambda b, r, d: (r / 8, d)), "rate-mean"),
        (changed(lambda b, r, d: (r, d / 64)), "per-pixel"),
        (changed(lambda b, r, d: (r, squared_error(d) / 64)), "per-pixel"),
        (changed(lambda b, r, d: (r, squared_error(d))), "squared-error"),
        (changed(lambda b, r, d: (r, squared_error(d) / 0.04)), "no-constant"),
        (changed(lambda b, r, d: (r / math.log(2), d / math.log(2))), "bits"),
        (changed(lambda b, r, d: (r, -d)), "sign"),
        (changed(lambda b, r, d: (r, d - 1.4)), "training-set"),
        (LEARNED, "learned-variance"),
        (HALF, "variance"),
        (NARROW, "variance"),
        (changed(lambda b, r, d: (b * r, d)), "times-beta"),
        (changed(lambda b, r, d: (r, d + r)), "loss"),
        (changed(lambda b, r, d: (r, d + b * r)), "beta-loss"),
        (changed(lambda b, r, d: (r, 20.0 - b if b < 20 else d)), "not-rising"),
        (changed(lambda b, r, d: (r + 20 * (b == 3.0), d)), "not-falling"),
        ({b: CURVE[b] for b in (0.1, 1.0)}, "too-few"),
        ({b: pair for b, pair in CURVE.items() if b < 50}, "range"),
        ({b: pair for b, pair in CURVE.items() if b >= 1}, "range"),
        ({b: pair for b, pair in CURVE.items() if b not in (3.0, 8.0)}, "gap"),
        (dict.fromkeys((0.8, 0.9, 1.0, 1.1, 1.2), (13.0, -35.0)), "range"),
        (changed(lambda b, r, d: r), "entry"),
        (changed(lambda b, r, d: (r, d, b)), "entry"),
        (changed(lambda b, r, d: (r, float("nan"))), "not-finite"),
        (changed(lambda b, r, d: (str(r), d)), "type"),
        ({-b: pair for b, pair in CURVE.items()}, "entry"),
        ([1, 2, 3], "type"),
    ],
)
def test_wrong_curves_are_recognised(answer, kind):
    verdict = check.ex_03_3(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def test_a_curve_with_negative_distortions_handed_over_in_the_wrong_order_is_told():
    """The first of a pair is negative: a rate never is, and the message says so."""
    verdict = check.ex_03_3(changed(lambda b, r, d: (d, r)))
    assert verdict.kind == "swapped"


def test_a_right_curve_passes_and_its_slope_is_told():
    verdict = check.ex_03_3(CURVE)
    assert verdict.passed, verdict
    assert "falls from 24.6 to 0.0 nats" in verdict.message
    assert "smallest at beta = 1" in verdict.message
    # From beta = 0.3 to 1: 4.6 nats of distortion for 7.2 of rate.
    assert "Between beta = 0.3 and 1, one nat of rate buys 0.6 nats" in verdict.message


@pytest.mark.parametrize(
    ("factor", "kind"), [(0.5, "rate-small"), (2.0, "rate-large"), (1 / math.log(2), "rate-large")]
)
@pytest.mark.parametrize("betas", [tuple(CURVE), (0.1, 1.0, 3.0, 8.0, 20.0, 100.0)])
def test_rates_in_another_unit_are_told_by_the_slope(factor, kind, betas):
    curve = {b: (factor * CURVE[b][0], CURVE[b][1]) for b in betas}
    verdict = check.ex_03_3(curve)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict
    assert check.ex_03_3({b: CURVE[b] for b in betas}).passed


def test_the_slope_of_an_exact_curve_is_beta():
    """Distortion a r^-2 has its slope in closed form: beta = 2 a r^-3."""
    betas = [1.0, 1.5, 2.2, 3.3, 5.0, 7.5]
    rates = [(2 * 4000 / beta) ** (1 / 3) for beta in betas]
    distortions = [4000 / rate**2 for rate in rates]
    compare = exercise_3._compare_slope_with_beta
    assert compare(betas, rates, distortions) == pytest.approx(1, abs=0.01)
    assert compare(betas, [r / 2 for r in rates], distortions) == pytest.approx(2, abs=0.04)


def test_tensors_with_a_slope_pass_without_a_warning(recwarn):
    answer = changed(lambda b, r, d: (torch.tensor(r, requires_grad=True), torch.tensor(d)))
    assert check.ex_03_3(answer).passed
    assert not recwarn.list


def test_no_slope_is_told_that_would_be_negative():
    """With two latent dimensions the test digits' distortion falls a little at small beta."""
    verdict = check.ex_03_3(TWO_CODES)
    assert verdict.passed, verdict
    assert "Between beta = 3 and 8" in verdict.message
    assert "buys -" not in verdict.message


# Exercise 4 ---------------------------------------------------------------------------------------


class Sound(nn.Module):
    """The repaired class; each flaw is put back by name."""

    flaws: tuple[str, ...] = ()

    def __init__(self, D, hidden, d):
        super().__init__()
        code = d if {"chunk", "narrow-encoder"} & set(self.flaws) else 2 * d
        width = d // 2 if {"chunk", "narrow-decoder"} & set(self.flaws) else d
        self.encoder = nn.Sequential(nn.Linear(D, hidden), nn.ReLU(), nn.Linear(hidden, code))
        self.decoder = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, D))

    def encode(self, x):
        mu, log_var = self.encoder(x.flatten(1)).chunk(2, dim=1)
        return (mu.squeeze(), log_var.squeeze()) if "squeeze" in self.flaws else (mu, log_var)

    def reparameterise(self, mu, log_var):
        std = log_var.exp() if "std" in self.flaws else (0.5 * log_var).exp()
        if "silent" in self.flaws:
            return None
        if "sample" in self.flaws:
            return torch.distributions.Normal(mu, std).sample()
        if "torch-normal" in self.flaws:
            return torch.normal(mu, std)
        if "fixed-std" in self.flaws:
            std = std.detach()
        if "no-noise" in self.flaws:
            return mu
        if "uniform" in self.flaws:
            return mu + std * torch.rand_like(std)
        if "shared" in self.flaws:
            return mu + std * torch.randn(std.shape[-1])
        return mu + std * torch.randn_like(std)

    def loss(self, x):
        mu, log_var = self.encode(x)
        z = mu if "no-draw" in self.flaws else self.reparameterise(mu, log_var)
        if "inlined-std" in self.flaws:
            z = mu + log_var.exp() * torch.randn_like(mu)
        if "inlined-variance" in self.flaws:
            z = torch.distributions.Normal(mu, log_var.exp().sqrt()).rsample()
        if "detached-std" in self.flaws:
            z = mu + (0.5 * log_var).exp().detach() * torch.randn_like(mu)
        if "detached-mu" in self.flaws:
            z = mu.detach() + (0.5 * log_var).exp() * torch.randn_like(mu)
        if "prior" in self.flaws:
            z = torch.randn_like(mu)
        x_hat = self.decoder(z.detach() if "cut" in self.flaws else z)
        errors = (x_hat - x.flatten(1)).square()
        error = errors.mean() if "mean" in self.flaws else errors.sum(1).mean()
        if "half" in self.flaws:
            error = error / 2
        if "strange" in self.flaws:
            error = 0.3 * error
        terms = mu**2 + log_var.exp() - 1 - log_var
        kl = 0.5 * (terms.mean(1) if "kl-mean" in self.flaws else terms.sum(1)).mean()
        if "quarter" in self.flaws:
            kl = kl / 2
        if "constant" in self.flaws:
            error = error + 32 * torch.pi  # of the density, which does not matter
        if "no-kl" in self.flaws:
            return error
        if "one-sample" in self.flaws:
            log_q = torch.distributions.Normal(mu, (0.5 * log_var).exp()).log_prob(z).sum(1)
            kl = (log_q - torch.distributions.Normal(0, 1).log_prob(z).sum(1)).mean()
        if "detached-kl" in self.flaws:
            kl = kl.detach()
        if "no-return" in self.flaws:
            return None
        loss = error - kl if "sign" in self.flaws else error + kl
        if "detached" in self.flaws:
            return loss.detach()
        return loss.item() if "float" in self.flaws else loss


def flawed(*flaws):
    return type("Flawed", (Sound,), {"flaws": flaws})


BUGS = ("chunk", "squeeze", "std", "mean", "no-kl")
LOSS = "the reduction of the error, the KL"


@pytest.mark.parametrize(
    ("flaws", "kind", "says"),
    [
        (BUGS, "chunk", "Repaired so far: nothing yet"),
        (BUGS[1:], "squeeze", "Repaired so far: the width of the code. With"),
        (BUGS[2:], "std", "expected 2.72: what is log_var"),
        (BUGS[3:], "reduction", "variance D/2"),
        (BUGS[4:], "no-kl", "the ELBO has two"),
        (BUGS[:3], "chunk", f"Repaired so far: {LOSS}."),
        (("chunk",), "chunk", f"Repaired so far: a batch of one, the standard deviation, {LOSS}."),
        (("narrow-encoder",), "chunk", "The loss is examined once everything runs."),
        (("narrow-decoder",), "chunk", "its first layer still expects another width"),
        (("squeeze",), "squeeze", "the batch axis is gone"),
        (("std",), "std", "what is log_var the logarithm of?"),
        (("no-noise",), "std", "adds no noise"),
        (("uniform",), "std", "`rand` is uniform"),
        (("silent",), "std", "`reparameterise` returns nothing"),
        (("mean",), "reduction", "averaged over the pixels as well"),
        (("half",), "reduction", "variance of 1"),
        (("kl-mean",), "no-kl", "averaged over the dimensions"),
        (("quarter",), "no-kl", "factor ½ twice"),
        (("sign",), "no-kl", "subtracted"),
        (("strange",), "loss", "not the sum of a squared error and a KL"),
        (("shared",), "std", "noise is shared"),
        (("no-draw",), "draw", "nothing was drawn"),
        (("no-return",), "returns-nothing", "`loss` returns nothing"),
        (("sample",), "slope", "`.sample()`, `torch.normal` and"),
        (("torch-normal",), "slope", "`.sample()`, `torch.normal` and"),
        (("fixed-std",), "slope", "no gradient in `log_var`"),
        (("cut",), "slope", "No gradient of the squared error reaches the encoder"),
        (("detached",), "slope", "without a gradient"),
        (("float",), "slope", "without a gradient"),
        (("detached-kl",), "slope", "The KL has no gradient"),
        (("detached-std",), "slope", "through the standard deviation in `z`"),
        (("detached-mu",), "slope", "through the mean in `z`"),
        (("one-sample", "detached-kl"), "slope", "The KL has no gradient"),
        (("inlined-std",), "std", "Let `reparameterise` draw"),
        (("prior",), "std", "Let `reparameterise` draw"),
    ],
)
def test_each_bug_is_named(flaws, kind, says):
    verdict = check.ex_03_4(flawed(*flaws))
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict
    assert says in verdict.message


def test_an_object_in_the_place_of_the_class_is_told():
    assert check.ex_03_4(Sound(64, 32, 6)).kind == "instance"


@pytest.mark.parametrize(
    "repaired", [Sound, flawed("constant"), flawed("one-sample"), flawed("inlined-variance")]
)
def test_the_repaired_class_passes(repaired):
    verdict = check.ex_03_4(repaired)
    assert verdict.passed, verdict


def test_a_class_without_a_method_is_told():
    class Empty(nn.Module):
        def __init__(self, D, hidden, d):
            super().__init__()

    assert "no `encode`" in check.ex_03_4(Empty).message
