"""Planted wrong answers of chapter 3: each gets the message that was meant for it."""

import pytest
import torch
from torch import nn

import vqvae_lib as vq
from vqvae_lib.course.exercises import check


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


def test_samples_of_a_vae_pass(model):
    verdict = check.ex_03_1(lambda n, g: model.sample(n, mean=True, generator=g))
    assert verdict.passed, verdict


def test_wrong_samples_are_recognised(digits, model, autoencoder):
    flat = train(digits, 16, vq.Gaussian(0.5))

    def from_training(n, g, noise=0.0):
        rows = digits.x_train[torch.randperm(len(digits.x_train), generator=g)[:n]]
        return rows + noise * torch.randn(rows.shape, generator=g)

    def one_class(n, g):
        threes = digits.x_train[digits.y_train == 3]
        rows = threes[torch.randint(len(threes), (n,), generator=g)]
        return model.reconstruct(rows)

    answers = [
        (lambda n, g: model.sample(n, generator=g), "noise"),
        (lambda n, g: autoencoder.decode(torch.randn(n, 8, generator=g)), "no-digits"),
        (lambda n, g: torch.rand(n, 64, generator=g), "noise"),
        (lambda n, g: flat.sample(n, mean=True, generator=g), "no-digits"),
        (from_training, "copies"),
        (lambda n, g: from_training(n, g, 0.03), "copies"),
        (lambda n, g: from_training(n, g, 0.1), "noise"),
        (one_class, "no-variety"),
        (lambda n, g: digits.x_train.mean(0).expand(n, 64), "same"),
        (lambda n, g: 16 * model.sample(n, mean=True, generator=g), "range"),
        (lambda n, g: model.sample(n, mean=True), "generator-unused"),
        (
            lambda n, g: model.sample(n, mean=True, generator=torch.Generator().manual_seed(0)),
            "fixed",
        ),
        (lambda n, g: model.sample(n, mean=True, generator=g).reshape(n, 8, 8), "shape"),
    ]
    for number, (answer, kind) in enumerate(answers):
        verdict = check.ex_03_1(answer)
        assert (verdict.status, verdict.kind) == ("wrong", kind), (number, verdict)


# Exercise 2 ---------------------------------------------------------------------------------------


def test_a_walk_through_codes_passes(model):
    verdict = check.ex_03_2(lambda a, b, n: model.interpolate(a[None], b[None], steps=n)[:, 0])
    assert verdict.passed, verdict


def test_wrong_walks_are_recognised(digits, model):
    def through(a, b, n):
        return model.interpolate(a[None], b[None], steps=n)[:, 0]

    def fade(a, b, n):
        return torch.stack([a + t * (b - a) for t in torch.linspace(0, 1, n)])

    def random_ends(a, b, n):
        z = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
        t = torch.linspace(0, 1, n)[:, None]
        return model.likelihood.mean(model.decode(z[:1] + t * (z[1:] - z[:1])))

    def jump(a, b, n):
        path = through(a, b, n)
        return torch.cat([path[:1].expand(n // 2, -1), path[-1:].expand(n - n // 2, -1)])

    def fade_late(a, b, n):
        return torch.stack([a + t**3 * (b - a) for t in torch.linspace(0, 1, n)])

    def fade_reconstructions(a, b, n):
        return fade(*model.reconstruct(torch.stack([a, b])), n)

    def over_noise(a, b, n):
        path = through(a, b, n).clone()
        path[3:-3] += 0.25 * torch.randn(n - 6, 64, generator=torch.Generator().manual_seed(0))
        return path

    answers = [
        (fade, "pixels"),
        (fade_late, "pixels"),
        (fade_reconstructions, "pixels"),
        (lambda a, b, n: through(b, a, n), "reversed"),
        (random_ends, "ends"),
        (jump, "jumps"),
        (lambda a, b, n: a.expand(n, 64), "no-movement"),
        (lambda a, b, n: model.interpolate(a[None], b[None], steps=n), "batch-axis"),
        (lambda a, b, n: through(a, b, n)[:5], "shape"),
    ]
    for number, (answer, kind) in enumerate(answers):
        verdict = check.ex_03_2(answer)
        assert (verdict.status, verdict.kind) == ("wrong", kind), (number, verdict)
    assert check.ex_03_2(over_noise).kind in ("no-digits", "jumps")


# Exercise 3 ---------------------------------------------------------------------------------------

# Measured once with the models of the solution, rounded.
CURVE = {
    0.1: (29.0, -44.0),
    0.5: (18.0, -39.0),
    1.0: (13.5, -35.5),
    3.0: (6.5, -24.0),
    10.0: (2.0, -2.0),
    30.0: (0.1, 40.0),
}


def changed(f):
    return {beta: f(beta, *pair) for beta, pair in CURVE.items()}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (changed(lambda b, r, d: (d, r)), "negative-rate"),
        (changed(lambda b, r, d: (-r, d)), "negative-rate"),
        (changed(lambda b, r, d: (r, d / 64)), "per-pixel"),
        (changed(lambda b, r, d: (r, d - 40)), "too-good"),
        (changed(lambda b, r, d: (b * r, d)), "times-beta"),
        (changed(lambda b, r, d: (r, -30.0 - b)), "not-rising"),
        (changed(lambda b, r, d: (r + 20 * (b == 3.0), d)), "not-falling"),
        (changed(lambda b, r, d: (0.1, 50.0)), "untrained"),
        ({b: CURVE[b] for b in (0.1, 1.0)}, "too-few"),
        (changed(lambda b, r, d: r), "entry"),
        (changed(lambda b, r, d: (r, float("nan"))), "entry"),
        ({-b: pair for b, pair in CURVE.items()}, "entry"),
        ([1, 2, 3], "type"),
        (
            dict(zip((0.9, 1.0, 1.1, 1.2, 1.3), [(13.0, -35.0)] * 5, strict=True)),
            "too-narrow",
        ),
        (
            dict(zip(CURVE, [(1.0 + b, -10.0 - b) for b in CURVE], strict=True)),
            "swapped",
        ),
    ],
)
def test_wrong_curves_are_recognised(answer, kind):
    verdict = check.ex_03_3(answer)
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict


def test_a_right_curve_passes_and_its_slope_is_told():
    verdict = check.ex_03_3(CURVE)
    assert verdict.passed
    assert "smallest at beta = 1" in verdict.message
    # From beta = 0.5 to 1: 3.5 nats of distortion for 4.5 of rate.
    assert "Between beta = 0.5 and 1 one nat of rate buys 0.8 nats" in verdict.message


# Exercise 4 ---------------------------------------------------------------------------------------


class Sound(nn.Module):
    """The repaired class; each flaw is put back by name."""

    flaws: tuple[str, ...] = ()

    def __init__(self, D, hidden, d):
        super().__init__()
        width = d if "chunk" in self.flaws else 2 * d
        self.encoder = nn.Sequential(nn.Linear(D, hidden), nn.ReLU(), nn.Linear(hidden, width))
        self.decoder = nn.Sequential(nn.Linear(width // 2, hidden), nn.ReLU(), nn.Linear(hidden, D))

    def encode(self, x):
        mu, log_var = self.encoder(x.flatten(1)).chunk(2, dim=1)
        return (mu.squeeze(), log_var.squeeze()) if "squeeze" in self.flaws else (mu, log_var)

    def reparameterise(self, mu, log_var):
        std = log_var.exp() if "std" in self.flaws else (0.5 * log_var).exp()
        if "shared" in self.flaws:
            return mu + std * torch.randn(std.shape[-1])
        return mu + std * torch.randn_like(std)

    def loss(self, x):
        mu, log_var = self.encode(x)
        z = mu if "no-draw" in self.flaws else self.reparameterise(mu, log_var)
        x_hat = self.decoder(z)
        errors = (x_hat - x.flatten(1)).square()
        error = errors.mean() if "mean" in self.flaws else errors.sum(1).mean()
        if "half" in self.flaws:
            error = error / 2
        terms = mu**2 + log_var.exp() - 1 - log_var
        kl = 0.5 * (terms.mean(1) if "kl-mean" in self.flaws else terms.sum(1)).mean()
        if "constant" in self.flaws:
            error = error + 32 * torch.pi  # of the density, which does not matter
        if "no-kl" in self.flaws:
            return error
        return error - kl if "sign" in self.flaws else error + kl


def flawed(*flaws):
    return type("Flawed", (Sound,), {"flaws": flaws})


@pytest.mark.parametrize(
    ("flaws", "kind", "says"),
    [
        (("chunk", "squeeze", "std", "mean", "no-kl"), "chunk", "Repaired: none yet"),
        (("squeeze", "std", "mean", "no-kl"), "squeeze", "Repaired: the width of the code."),
        (("std", "mean", "no-kl"), "std", "expected 2.72: what is log_var"),
        (("mean", "no-kl"), "reduction", "variance D/2"),
        (("no-kl",), "no-kl", "the ELBO has two"),
        (("chunk",), "chunk", "Repaired: a batch of one, the standard deviation"),
        (("squeeze",), "squeeze", "the axis of the batch is gone"),
        (("std",), "std", "what is log_var the logarithm of?"),
        (("mean",), "reduction", "averaged over the pixels too"),
        (("half",), "reduction", "variance of 1"),
        (("kl-mean",), "no-kl", "averaged over the dimensions"),
        (("sign",), "no-kl", "subtracted"),
        (("shared",), "std", "noise is shared"),
        (("no-draw",), "draw", "nothing was drawn"),
    ],
)
def test_each_bug_is_named(flaws, kind, says):
    verdict = check.ex_03_4(flawed(*flaws))
    assert (verdict.status, verdict.kind) == ("wrong", kind), verdict
    assert says in verdict.message


@pytest.mark.parametrize("repaired", [Sound, flawed("constant")])
def test_the_repaired_class_passes(repaired):
    verdict = check.ex_03_4(repaired)
    assert verdict.passed, verdict


def test_a_class_without_a_method_is_told():
    class Empty(nn.Module):
        def __init__(self, D, hidden, d):
            super().__init__()

    assert "no `encode`" in check.ex_03_4(Empty).message
