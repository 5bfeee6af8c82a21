"""The VAE against models that can be solved, and against its formulas written out."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

import vqvae_lib as vq
from vqvae_lib import vae as vae_module
from vqvae_lib.likelihoods import Likelihood


def draws(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def small(likelihood=None, **options):
    torch.manual_seed(0)
    return vq.mlp_vae(6, 16, 2, likelihood or vq.Gaussian(), **options).double()


def solved(D=6, d=3):
    """A linear VAE whose encoder is the exact posterior, and the pPCA that it is."""
    columns = torch.linalg.qr(draws(D, d, seed=1)).Q * torch.tensor([2.0, 1.0, 0.5]).double()
    model = vq.ProbabilisticPCA(draws(D, seed=2), columns, 0.3)
    posterior = model.posterior(torch.eye(D).double())
    mu, covariance = posterior.mean, posterior.covariance
    offset = model.encode(torch.zeros(1, D).double())
    encoder = vq.GaussianEncoder(nn.Identity(), D, d)
    net = vq.VAE(encoder, vq.mlp([d, D]), vq.Gaussian(0.3)).double()
    with torch.no_grad():
        encoder.mu.weight.copy_((mu - offset).T)
        encoder.mu.bias.copy_(offset[0])
        encoder.log_var.weight.zero_()
        encoder.log_var.bias.copy_(covariance.diagonal().log())
        net.decoder[0].weight.copy_(model.W)
        net.decoder[0].bias.copy_(model.mean)
    return net, model


# ---------------------------------------------------------------- bounds


@pytest.mark.parametrize("K", [1, 3, 50])
def test_with_the_exact_posterior_every_bound_is_the_likelihood(K):
    """Then all importance weights are p(x), whatever is drawn."""
    net, model = solved()
    x = draws(40, 6, seed=3)
    expected = model.log_likelihood(x)
    assert torch.allclose(net.log_likelihood(x, K=K, generator=generator()), expected, atol=1e-10)
    if K > 1:
        net.K = K
        assert -net.loss(x)["loss"].item() == pytest.approx(expected.mean().item(), abs=1e-10)


def test_the_loss_of_the_exact_posterior_is_the_likelihood_on_average():
    net, model = solved()
    x = draws(40, 6, seed=3)
    losses = torch.stack([net.loss(x, generator=generator(s))["loss"] for s in range(400)])
    error = losses.std() / 20
    assert (losses.mean() + model.log_likelihood(x).mean()).abs() < 4 * error


def test_chunks_change_neither_the_value_nor_the_number_of_draws(monkeypatch):
    net, model = solved()
    x = draws(40, 6, seed=3)
    rows = []
    net.decoder.register_forward_hook(lambda module, inputs, out: rows.append(len(out)))
    for chunk in (1, 6, 50, 400, 1 << 20):
        rows.clear()
        monkeypatch.setattr(vae_module, "_CHUNK", chunk)
        found = net.log_likelihood(x, K=13, generator=generator())
        assert torch.allclose(found, model.log_likelihood(x), atol=1e-10)
        assert sum(rows) == 40 * 13
        assert max(rows) <= max(1, chunk // 6)


def test_the_loss_is_its_formula_written_out():
    net, x = small(beta=0.7), draws(5, 6)
    found = net.loss(x, generator=generator(3))
    mu, log_var = net.encode(x)
    eps = torch.randn(1, 5, 2, generator=generator(3), dtype=torch.float64)[0]
    p_x = Normal(net.decoder(mu + (0.5 * log_var).exp() * eps), net.likelihood.variance(x).sqrt())
    q = Independent(Normal(mu, (0.5 * log_var).exp()), 1)
    prior = Independent(Normal(torch.zeros(5, 2), torch.ones(5, 2)), 1)
    reconstruction, kl = -p_x.log_prob(x).sum(1).mean(), kl_divergence(q, prior).mean()
    assert found["reconstruction"].item() == pytest.approx(reconstruction.item(), rel=1e-12)
    assert found["kl"].item() == pytest.approx(kl.item(), rel=1e-12)
    assert found["loss"].item() == pytest.approx((reconstruction + 0.7 * kl).item(), rel=1e-12)


def test_codes_may_come_from_another_posterior():
    """That of x itself changes nothing; that of another picture gives its own formula."""
    net, x, other = small(beta=0.7), draws(5, 6), draws(5, 6, seed=8)
    own = net.loss(x, posterior=net.encode(x), generator=generator(3))
    assert torch.equal(own["loss"], net.loss(x, generator=generator(3))["loss"])
    found = net.loss(x, posterior=net.encode(other), generator=generator(3))
    mu, log_var = net.encode(other)
    q = Independent(Normal(mu, (0.5 * log_var).exp()), 1)
    eps = torch.randn(1, 5, 2, generator=generator(3), dtype=torch.float64)[0]
    p_x = Normal(net.decoder(mu + q.stddev * eps), net.likelihood.variance(x).sqrt())
    kl = kl_divergence(q, Independent(Normal(torch.zeros(5, 2), torch.ones(5, 2)), 1))
    expected = (0.7 * kl - p_x.log_prob(x).sum(1)).mean()
    assert found["loss"].item() == pytest.approx(expected.item(), rel=1e-12)


def test_the_loss_with_importance_samples_is_its_formula_written_out():
    net, x = small(K=4), draws(5, 6)
    found = net.loss(x, generator=generator(3))
    mu, log_var = net.encode(x)
    eps = torch.randn(4, 5, 2, generator=generator(3), dtype=torch.float64)
    z = mu + (0.5 * log_var).exp() * eps  # (K, B, d)
    log_weights = (
        Normal(net.decode(z), net.likelihood.variance(x).sqrt()).log_prob(x).sum(-1)
        + Normal(0.0, 1.0).log_prob(z).sum(-1)
        - Normal(mu, (0.5 * log_var).exp()).log_prob(z).sum(-1)
    )
    expected = -log_weights.exp().mean(0).log().mean()
    assert found["loss"].item() == pytest.approx(expected.item(), rel=1e-10)
    assert set(found) == {"loss", "reconstruction", "kl"}


def test_more_importance_samples_tighten_the_bound_up_to_the_likelihood():
    """A generic W and a diagonal q: the ELBO stays below, IWAE closes in on the exact value."""
    net, model = solved()
    rotation = torch.linalg.qr(draws(3, 3, seed=9)).Q
    with torch.no_grad():
        net.decoder[0].weight.copy_(model.W @ rotation)
        mu = net.encoder.mu
        mu.weight.copy_(rotation.T @ mu.weight)
        mu.bias.copy_(rotation.T @ mu.bias)
        covariance = rotation.T @ model.posterior(torch.zeros(1, 6).double()).covariance @ rotation
        net.encoder.log_var.bias.copy_(covariance.diagonal().log())
    x = net.sample(4000, generator=generator(1))
    exact = model.log_likelihood(x).mean().item()
    found = {
        K: net.log_likelihood(x, K=K, generator=generator()).mean().item() for K in (1, 10, 1000)
    }
    assert found[1] < found[10] - 0.05
    assert found[10] < found[1000] - 0.01
    assert found[1000] == pytest.approx(exact, abs=0.01)


def test_a_linear_vae_learns_ppca():
    """By noisy gradients; its closed-form ELBO ends within 1e-3 nats of pPCA's log-likelihood."""
    x = draws(400, 2, seed=1) @ torch.diag(torch.tensor([1.0, 0.6]).double()) @ draws(2, 5, seed=2)
    x = x + 0.3 * draws(400, 5, seed=3)
    exact = vq.ProbabilisticPCA.fit(x, 2).log_likelihood(x).mean().item()
    torch.manual_seed(0)
    net = vq.VAE(
        vq.GaussianEncoder(nn.Identity(), 5, 2), vq.mlp([2, 5]), vq.Gaussian(min_variance=0)
    )
    vq.fit(net.double(), x, epochs=400, batch_size=100, lr=5e-2, schedule=vq.cosine(400))
    with torch.no_grad():
        mu, log_var = net.encode(x)
        W, variance = net.decoder[0].weight, net.likelihood.variance(x)
        # E_q ‖x - W z - b‖² in closed form: at the mean, and what the spread of z adds.
        squares = (x - net.decode(mu)).square().sum(1) + log_var.exp() @ W.square().sum(0)
        log_px = -0.5 * (squares / variance + 5 * (2 * math.pi * variance).log())
        closed = vq.elbo(log_px, vq.gaussian_kl(mu, log_var)).mean().item()
    assert exact - 1e-3 < closed <= exact


def weights_of_the_kl(net, x):
    """How much the KL weighs in the loss, in training and in evaluation mode."""
    weights = []
    for training in (True, False):
        terms = net.train(training).loss(x, generator=generator())
        weights.append(((terms["loss"] - terms["reconstruction"]) / terms["kl"]).item())
    return weights


def test_a_warm_up_weighs_the_kl_in_training_alone():
    net, x = small(beta=2.0), draws(5, 6)
    training, evaluation = [], []
    with vq.KLWarmUp(net, 4) as before_epoch:
        for epoch in range(6):
            before_epoch(epoch)
            weights = weights_of_the_kl(net, x)
            training.append(weights[0])
            evaluation.append(weights[1])
    assert training == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0, 2.0])
    assert evaluation == pytest.approx([2.0] * 6)


def test_a_warm_up_gives_back_the_weight_that_it_found_even_when_training_fails():
    net, x = small(), draws(5, 6)
    net.kl_weight = 0.5

    def diverge():
        with vq.KLWarmUp(net, 4) as before_epoch:
            before_epoch(0)
            assert weights_of_the_kl(net, x)[0] == pytest.approx(0.25)
            raise RuntimeError("diverged")

    with pytest.raises(RuntimeError, match="diverged"):
        diverge()
    assert weights_of_the_kl(net, x)[0] == pytest.approx(0.5)


def test_a_warm_up_is_known_by_its_length():
    net = small()
    assert repr(vq.KLWarmUp(net, 20)) == repr(vq.KLWarmUp(copy.deepcopy(net), 20))
    assert repr(vq.KLWarmUp(net, 20)) == "KLWarmUp(epochs=20)"


def test_a_copy_made_during_a_warm_up_has_the_weight_from_before_it():
    net = small()
    net.kl_weight = 0.5
    with vq.KLWarmUp(net, 10) as before_epoch:
        before_epoch(0)
        copies = [copy.deepcopy(net), copy.copy(net), pickle.loads(pickle.dumps(net))]
        assert net.kl_weight == 0.1
    for model in (net, *copies):
        assert model.kl_weight == 0.5
        assert model.__dict__.keys() == small().__dict__.keys()


def test_fit_warms_the_kl_up_and_ends_with_its_full_weight():
    net, x = small(), draws(20, 6)
    weights = []
    loss = net.loss

    def watched(*args, **options):
        if net.training:
            weights.append(net.kl_weight)
        return loss(*args, **options)

    net.loss = watched
    vq.fit(net, x, epochs=3, batch_size=20, before_epoch=vq.KLWarmUp(net, 2), progress=False)
    assert weights == [0.5, 1.0, 1.0]
    assert net.kl_weight == 1.0


# ---------------------------------------------------------------- gradients and draws


def test_reparameterised_gradients_are_those_of_the_expectation():
    """E z² = μ² + σ²: slopes 2μ and σ² (with respect to log σ²), within four standard errors."""
    mu = torch.full((1, 1), 0.7, dtype=torch.float64).expand(20_000, 1).clone().requires_grad_()
    log_var = torch.full((20_000, 1), -0.4, dtype=torch.float64, requires_grad=True)
    z = vq.reparameterise(mu, log_var, generator=generator())
    slopes = torch.autograd.grad(z.square().sum(), (mu, log_var))
    for slope, expected in zip(slopes, (2 * 0.7, math.exp(-0.4)), strict=True):
        assert (slope.mean() - expected).abs() < 4 * slope.std() / 20_000**0.5


def test_draws_follow_the_posterior():
    mu, log_var = torch.tensor([[0.5, -1.0]]), torch.tensor([[0.0, math.log(0.25)]])
    z = vq.reparameterise(mu, log_var, K=20_000, generator=generator())
    assert z.shape == (20_000, 1, 2)
    assert torch.allclose(z.mean((0, 1)), mu[0], atol=0.03)
    assert torch.allclose(z.var(0)[0], log_var[0].exp(), rtol=0.05)


def test_samples_of_a_linear_model_have_its_covariance():
    net, model = solved()
    x = net.sample(50_000, generator=generator())
    covariance = model.W @ model.W.T + 0.3 * torch.eye(6).double()
    assert torch.allclose(torch.cov(x.T), covariance, atol=0.08)
    assert torch.allclose(x.mean(0), model.mean, atol=0.05)
    means = net.sample_mean(50_000, generator=generator())
    assert torch.allclose(torch.cov(means.T), covariance - 0.3 * torch.eye(6), atol=0.08)
    assert not x.requires_grad
    assert not means.requires_grad


def test_samples_and_their_means_belong_to_the_same_codes():
    net = small(vq.Gaussian(1e-6))
    x, means = (f(50, generator=generator()) for f in (net.sample, net.sample_mean))
    assert (x - means).abs().max() < 6e-3  # six standard deviations of the pixel noise
    assert (means - net.sample_mean(50, generator=generator(1))).abs().max() > 0.05
    z = torch.randn(50, 2, generator=generator(), dtype=torch.float64)
    assert torch.equal(means, net.decoder(z))


def test_interpolation_ends_at_the_reconstructions_and_is_straight_in_the_code():
    net, a, b = small(), draws(3, 6), draws(3, 6, seed=1)
    path = net.interpolate(a, b, steps=5)
    assert path.shape == (5, 3, 6)
    with torch.no_grad():
        assert torch.allclose(path[0], net.reconstruct(a))
        assert torch.allclose(path[-1], net(b))
        middle = (net.encode(a).mu + net.encode(b).mu) / 2
        assert torch.allclose(path[2], net.likelihood.mean(net.decode(middle)))


def test_reconstruction_is_the_mean_of_the_likelihood():
    net, x = small(vq.Bernoulli()), (draws(3, 6) > 0).double()
    expected = net.decoder(net.encoder(x).mu).sigmoid()
    assert torch.allclose(net.reconstruct(x), expected)


def test_the_bottleneck_stands_between_code_and_decoder():
    torch.manual_seed(0)
    encoder = vq.GaussianEncoder(vq.mlp([6, 16]), 16, 2)
    net = vq.VAE(encoder, vq.mlp([7, 16, 6]), vq.Gaussian(), vq.mlp([2, 7]))
    z = draws(3, 2).float()
    assert torch.equal(net.decode(z), net.decoder(net.bottleneck(z)))
    assert net.decode(z.expand(4, 3, 2)).shape == (4, 3, 6)


def test_a_quantum_layer_is_a_bottleneck():
    torch.manual_seed(0)
    layer = vq.QuantumLayer(vq.Circuit.for_latent(4, 2))
    encoder = vq.GaussianEncoder(vq.mlp([6, 16]), 16, 4)
    net = vq.VAE(encoder, vq.mlp([4, 6]), vq.Gaussian(), layer)
    net.loss(draws(5, 6).float(), generator=generator())["loss"].backward()
    assert layer.weights.grad.abs().max() > 0


def test_weights_travel_by_state_dict():
    net, other = small(), small()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    other.load_state_dict(net.state_dict())
    x = draws(3, 6)
    assert torch.equal(net(x), other(x))
    assert torch.equal(copy.deepcopy(net)(x), net(x))


# ---------------------------------------------------------------- labels


def conditional(**options):
    torch.manual_seed(0)
    encoder = vq.GaussianEncoder(vq.mlp([6 + 3, 16], output_activation="gelu"), 16, 2)
    return vq.VAE(
        encoder, vq.mlp([2 + 3, 16, 6]), vq.Gaussian(), condition=vq.Labels(3), **options
    ).double()


def numbered():
    return vq.mlp_vae(6, 8, 2, vq.Gaussian(), condition=vq.Numbers(3))


def test_a_conditional_vae_sees_the_label_on_both_sides():
    net, x, y = conditional(), draws(4, 6), torch.tensor([0, 2, 1, 2])
    one_hot = torch.eye(3).double()[y]
    mu, log_var = net.encode(x, y)
    expected = net.encoder(torch.cat([x, one_hot], 1))
    assert torch.equal(mu, expected[0])
    assert torch.equal(log_var, expected[1])
    z = draws(5, 4, 2)
    by_hand = torch.stack([net.decoder(torch.cat([part, one_hot], 1)) for part in z])
    assert torch.allclose(net.decode(z, y), by_hand)
    assert net.log_likelihood(x, y, K=3).shape == (4,)
    assert net.sample(4, y).shape == (4, 6)
    assert net.interpolate(x, x.flip(0), y, steps=3).shape == (3, 4, 6)


def test_a_conditional_vae_learns_what_the_label_says():
    """Two clusters: given the label, new data come from the right one."""
    y = torch.arange(400) % 2
    x = 4.0 * y[:, None] + draws(400, 6).float()
    torch.manual_seed(0)
    encoder = vq.GaussianEncoder(vq.mlp([8, 16], output_activation="gelu"), 16, 2)
    net = vq.VAE(encoder, vq.mlp([4, 16, 6]), vq.Gaussian(), condition=vq.Labels(2))
    history = vq.fit(net, x, y, epochs=150, lr=1e-2, x_valid=x[:50], y_valid=y[:50])
    assert history.valid["loss"][-1] < history.valid["loss"][0]
    for label in (0, 1):
        new = net.sample(200, torch.full((200,), label), generator=generator())
        assert new.mean().item() == pytest.approx(4 * label, abs=0.4)


def test_numbers_as_a_condition_are_appended_to_the_rows():
    torch.manual_seed(0)
    net = vq.mlp_vae(6, 16, 2, vq.Gaussian(), condition=vq.Numbers(3)).double()
    x, y, z = draws(4, 6), draws(4, 3), draws(5, 4, 2)
    expected = net.encoder(torch.cat([x, y], 1))
    assert torch.equal(net.encode(x, y).mu, expected[0])
    by_hand = torch.stack([net.decoder(torch.cat([part, y], 1)) for part in z])
    assert torch.allclose(net.decode(z, y), by_hand)
    assert net.log_likelihood(x, y, K=3).shape == (4,)
    assert len(vq.active_units(net, x, y).variances) == 2
    assert "beta=1, K=1, condition=Numbers(dim=3)" in repr(net)
    assert "condition" not in repr(small())


def test_a_model_given_the_answer_learns_to_copy_it():
    """x = 2 y plus noise: what remains is the noise's variance, 0.01."""
    y = draws(500, 2).float()
    x = 2 * y + 0.1 * draws(500, 2).float().flip(0)
    torch.manual_seed(0)
    net = vq.mlp_vae(2, 32, 1, vq.Gaussian(), condition=vq.Numbers(2))
    vq.fit(net, x, y, epochs=100, lr=5e-3)
    with torch.no_grad():
        error = (net.reconstruct(x, y) - x).square().mean().item()
    assert error < 0.03  # x alone has a variance of 4


# ---------------------------------------------------------------- bad input


class Pair(nn.Module):
    d = 2

    def __init__(self, result):
        super().__init__()
        self.result = result

    def forward(self, x):
        return self.result


def two_blocks(likelihood, width=12):
    """A model of D = 6 whose decoder gives a mean and a variance, or something else."""
    return vq.VAE(vq.GaussianEncoder(vq.mlp([6, 16]), 16, 2), vq.mlp([2, width]), likelihood)


def with_encoder(result):
    return vq.VAE(Pair(result), vq.mlp([2, 6]), vq.Gaussian())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: vq.VAE(vq.mlp([6, 4]), vq.mlp([2, 6]), vq.Gaussian()),
            TypeError,
            r"encoder is a _MLP without the attribute d: .* GaussianEncoder\(trunk, width, d\)",
        ),
        (
            lambda: vq.VAE(Pair(None), vq.mlp([2, 6]), nn.MSELoss()),
            TypeError,
            r"likelihood is a MSELoss: expected one of vqvae_lib.likelihoods",
        ),
        (
            lambda: vq.VAE(Pair(None), vq.mlp([2, 6]), vq.Gaussian(), condition=10),
            TypeError,
            r"condition is a int: expected one of vqvae_lib.conditions, such as Labels\(10\)",
        ),
        (lambda: small(beta=-1), ValueError, "beta=-1: expected a finite number at least 0"),
        (
            lambda: small(beta=2, K=5),
            ValueError,
            "beta=2 with K=5: the importance-weighted bound has no KL term to weigh; expected",
        ),
        (lambda: small(K=0), ValueError, "K=0: expected a whole number of at least 1"),
        (
            lambda: with_encoder(torch.zeros(3, 4)).loss(torch.zeros(3, 6)),
            TypeError,
            r"encoder gave a tensor of shape \(3, 4\) .*: expected the pair \(mu, log_var\), each",
        ),
        (
            lambda: with_encoder((torch.zeros(3, 2), torch.zeros(3, 1))).loss(torch.zeros(3, 6)),
            ValueError,
            r"the encoder's log_var has shape \(3, 1\): expected \(3, 2\)",
        ),
        (
            lambda: small().decode(torch.zeros(3, 5)),
            ValueError,
            r"z has shape \(3, 5\): expected \(..., B, 2\)",
        ),
        (
            lambda: small().loss(torch.full((3, 6), float("nan")).double()),
            ValueError,
            r"x\[0, 0\] is nan \(and 17 more\): expected finite numbers",
        ),
        (
            lambda: small(vq.Bernoulli()).loss(draws(3, 6)),
            ValueError,
            "expected 0 or 1",
        ),
        (
            lambda: vq.VAE(
                vq.GaussianEncoder(vq.mlp([6, 16]), 16, 2), vq.mlp([2, 7]), vq.Gaussian()
            ).loss(torch.zeros(3, 6)),
            ValueError,
            r"decoder's output has shape \(1, 3, 7\): expected \(..., 6\)",
        ),
        (
            lambda: small().log_likelihood(draws(3, 6), K=0),
            ValueError,
            "K=0: expected a whole number of at least 1",
        ),
        (lambda: small().sample(0), ValueError, "n=0: expected a whole number"),
        (
            lambda: small().interpolate(draws(3, 6), draws(2, 6)),
            ValueError,
            r"x_from has shape \(3, 6\) and x_to \(2, 6\): expected the same shape",
        ),
        (
            lambda: small().interpolate(draws(3, 6), draws(3, 6), steps=1),
            ValueError,
            "steps=1: expected a whole number of at least 2",
        ),
        (
            lambda: small().encode(draws(6)),
            ValueError,
            r"x has shape \(6,\): expected \(B, 6\)",
        ),
        (
            lambda: small().encode(draws(3, 6), torch.zeros(3, dtype=torch.int64)),
            ValueError,
            "this model has no condition: expected no y",
        ),
        (lambda: conditional().loss(draws(3, 6)), ValueError, "y is missing"),
        (
            lambda: conditional().loss(draws(3, 6), torch.zeros(3)),
            TypeError,
            r"y has dtype torch.float32: expected torch.int64",
        ),
        (
            lambda: conditional().loss(draws(3, 6), torch.tensor([0, 1, 3])),
            ValueError,
            r"y\[2\] is 3: expected labels from 0 to 2",
        ),
        (
            lambda: conditional().log_likelihood(draws(3, 6), torch.tensor([0, 1, 2, 0]), K=2),
            ValueError,
            r"y has shape \(4,\) and x \(3, 6\): expected the same number of rows",
        ),
        (
            lambda: numbered().sample(2, torch.ones(2)),
            ValueError,
            r"y has shape \(2,\): expected \(2, 3\)",
        ),
        (lambda: numbered().sample(2), ValueError, r"y is missing: Numbers\(dim=3\) needs"),
        (
            lambda: vq.KLWarmUp(vq.mlp([2, 2]), 3),
            TypeError,
            "model is a _MLP: expected a VAE, whose loss weighs the KL",
        ),
        (
            lambda: small().loss(draws(3, 6), posterior=small().encode(draws(1, 6))),
            ValueError,
            r"posterior's mu has shape \(1, 2\): expected \(3, 2\)",
        ),
        (
            lambda: small().loss(draws(3, 6), posterior=(draws(3, 2), draws(3, 1))),
            ValueError,
            r"posterior's log_var has shape \(3, 1\): expected \(3, 2\)",
        ),
        (
            lambda: small().loss(draws(3, 6), posterior=draws(2, 3, 2)),
            TypeError,
            r"posterior is a tensor of shape \(2, 3, 2\) .*: expected the pair \(mu, log_var\)",
        ),
        (
            lambda: small().loss(draws(6), posterior=small().encode(draws(6, 6))),
            ValueError,
            r"x has shape \(6,\): expected \(B, 6\)",
        ),
        (
            lambda: small().loss(draws(3, 6) > 0, posterior=small().encode(draws(3, 6))),
            TypeError,
            "x has dtype torch.bool: expected torch.float64",
        ),
        (
            lambda: two_blocks(vq.Gaussian()).reconstruct(torch.zeros(3, 6)),
            ValueError,
            r"decoder's output has shape \(3, 12\): expected \(..., 6\), the mean of each of D=6",
        ),
        (
            lambda: two_blocks(vq.Bernoulli())(torch.zeros(3, 6)),
            ValueError,
            r"decoder's output has shape \(3, 12\): expected \(..., 6\), the logit of each of D=6",
        ),
        (
            lambda: two_blocks(vq.Gaussian()).interpolate(torch.zeros(3, 6), torch.zeros(3, 6)),
            ValueError,
            r"decoder's output has shape \(9, 3, 12\): expected \(..., 6\)",
        ),
        (
            lambda: two_blocks(vq.Gaussian()).log_likelihood(torch.zeros(3, 6), K=2),
            ValueError,
            r"decoder's output has shape \(2, 3, 12\): expected \(..., 6\)",
        ),
        (
            lambda: two_blocks(vq.Gaussian("per_dimension"), 7).sample(3),
            ValueError,
            r"decoder's output has shape \(3, 7\): expected \(..., 12\)",
        ),
        (
            lambda: two_blocks(vq.Gaussian("per_dimension"), 7).sample_mean(3),
            ValueError,
            r"decoder's output has shape \(3, 7\): expected \(..., 12\)",
        ),
        (lambda: vq.KLWarmUp(small(), 0), ValueError, "epochs=0: expected"),
        (lambda: vq.KLWarmUp(small(K=5), 3), ValueError, "model has K=5: .* expected a model with"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_model_without_a_condition_copies_no_rows():
    """And rows with gaps in memory give the bits that rows without them give."""
    net, x, inputs = small(), draws(6, 8).T[:5], []  # (5, 6), columns first
    net.encoder.register_forward_hook(lambda module, args, out: inputs.append(args[0]))
    solid = x.contiguous()
    assert not x.is_contiguous()
    assert torch.equal(net.encode(x).mu, net.encode(solid).mu)
    assert inputs[0].is_contiguous()
    assert inputs[1].data_ptr() == solid.data_ptr()


def test_gradients_and_modes_are_as_documented():
    net, x = small(), draws(4, 6)
    for differentiable in (net.encode(x).mu, net.decode(draws(4, 2)), net(x), net.loss(x)["loss"]):
        assert differentiable.requires_grad
    others = net.sample(4), net.sample_mean(4), net.interpolate(x, x), net.log_likelihood(x, K=2)
    assert not any(result.requires_grad for result in others)
    assert net.training
    assert "kl_weight" not in net.state_dict()


def test_an_empty_batch_has_no_likelihood_to_estimate():
    assert small().log_likelihood(torch.zeros(0, 6).double(), K=2).shape == (0,)


def test_a_likelihood_of_ones_own_fits_in():
    class Laplace(Likelihood):
        param_names = ("median",)

        def log_prob(self, x, params):
            return -(x - params).abs() - math.log(2)

        def mean(self, params):
            return params

        def sample(self, params, *, generator=None):
            return params

    net = small(Laplace())
    assert torch.isfinite(net.loss(draws(3, 6))["loss"])


def test_the_posterior_of_the_joint_gaussian_is_the_one_that_is_used():
    """`solved` is only as good as this: its encoder is the conditional of the joint density."""
    net, model = solved()
    x = draws(3, 6, seed=3)
    posterior = model.posterior(x)
    mu, covariance = posterior.mean, posterior.covariance
    q = MultivariateNormal(net.encode(x).mu, net.encode(x).log_var.exp().diag_embed())
    p = MultivariateNormal(mu, covariance)
    assert kl_divergence(q, p).abs().max() < 1e-10


def test_labels_are_one_for_each_code():
    torch.manual_seed(0)
    network = vq.mlp_vae(4, 8, 2, vq.Gaussian(), condition=vq.Labels(3))
    with pytest.raises(ValueError, match=r"y has shape \(1,\): expected \(3,\)"):
        network.sample(3, torch.tensor([1]))
    assert network.reconstruct(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)).shape == (0, 4)


# ---------------------------------------------------------------- what is converted

METHODS = {
    "encode": lambda net, x, y, z: net.encode(x, y),
    "decode": lambda net, x, y, z: net.decode(z, y),
    "forward": lambda net, x, y, z: net(x, y),
    "reconstruct": lambda net, x, y, z: net.reconstruct(x, y),
    "loss": lambda net, x, y, z: tuple(net.loss(x, y, generator=generator()).values()),
    "loss of another q": lambda net, x, y, z: net.loss(
        x, y, posterior=(z, z), generator=generator()
    )["loss"],
    "log_likelihood": lambda net, x, y, z: net.log_likelihood(x, y, K=3, generator=generator()),
    "sample": lambda net, x, y, z: net.sample(3, y, generator=generator()),
    "sample_mean": lambda net, x, y, z: net.sample_mean(3, y, generator=generator()),
    "interpolate": lambda net, x, y, z: net.interpolate(x, x, y, steps=np.int64(4)),
}


def of_dtype(condition, dtype, image_shape=None):
    torch.manual_seed(0)
    if image_shape is None:
        return vq.mlp_vae(64, 8, 2, vq.Gaussian(), condition=condition).to(dtype)
    return vq.VQVAE(64, 8, 2, 2, bottleneck="mlp", image_shape=image_shape, condition=condition).to(
        dtype
    )


@pytest.mark.parametrize("image_shape", [None, (8, 8)])
@pytest.mark.parametrize("method", METHODS)
def test_numbers_of_another_width_and_arrays_are_read_as_the_model_s(method, image_shape):
    x, z = draws(3, 64).float(), draws(3, 2).float()
    for condition, plain, others in (
        (vq.NoCondition(), None, [None]),
        (
            vq.Labels(3),
            torch.tensor([0, 2, 1]),
            [np.array([0, 2, 1]), np.array([0, 2, 1], np.uint8), torch.tensor([0, 2, 1]).int()],
        ),
        (
            vq.Numbers(2),
            torch.tensor([[1.0, 0.0], [2.0, 3.0], [0.0, 1.0]]),
            [np.array([[1, 0], [2, 3], [0, 1]]), torch.tensor([[1.0, 0], [2, 3], [0, 1]]).double()],
        ),
    ):
        for dtype in (torch.float32, torch.float64):
            net = of_dtype(condition, dtype, image_shape)
            expected = METHODS[method](net, x.to(dtype), plain, z.to(dtype))
            for y in others:
                for rows, codes in (
                    (x.double(), z.double()), (x.numpy(), z.numpy()), (x.double().numpy(), z),
                ):  # fmt: skip
                    found = METHODS[method](net, rows, y, codes)
                    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_samples_are_as_wide_as_the_data_or_the_decoder_is_refused():
    for decoder_width, likelihood in ((12, vq.Gaussian()), (6, vq.Gaussian("per_dimension"))):
        net = two_blocks(likelihood, decoder_width)
        for method in (net.sample, net.sample_mean):
            with pytest.raises(ValueError, match=rf"has shape \(3, {decoder_width}\): expected"):
                method(3)
    with pytest.raises(ValueError, match="n=0: expected"):
        small().sample(0)


def test_nan_is_refused_where_it_comes_in_and_not_where_it_arises():
    net, x = small(), draws(4, 6)
    x[2, 1] = float("nan")
    for method in (net.encode, net.reconstruct, net.loss, net.decode):
        bad = x[:, :2] if method == net.decode else x
        with pytest.raises(ValueError, match=r"\[2, 1\] is nan: expected finite numbers"):
            method(bad)
    with torch.no_grad():
        net.encoder.mu.weight.fill_(float("nan"))
    assert net.loss(draws(4, 6))["loss"].isnan()  # for `fit` to see
    with pytest.raises(vq.TrainingDiverged):
        vq.fit(net, draws(4, 6), epochs=1, progress=False)


# ---------------------------------------------------------------- half precision


def bound_in_float64(net, x, seed):
    """The bound of the same networks with inputs and weights as they are, in float64."""
    wide = copy.deepcopy(net).double()
    mu, log_var = wide.encode(x)
    eps = torch.randn(1, *mu.shape, generator=generator(seed)).double()
    params = wide.decode((mu + (log_var / 2).exp() * eps)[0])
    log_px = wide.likelihood.log_prob(x.double(), params).sum(1)
    return -(log_px - vq.gaussian_kl(mu, log_var)).mean()


@pytest.mark.parametrize("likelihood", [vq.Gaussian(0.1), vq.Bernoulli()])
@pytest.mark.parametrize("way", ["autocast", "bfloat16", "float16"])
def test_bounds_are_computed_in_float32_where_networks_are_in_half_precision(likelihood, way):
    """Of 784 dimensions: sums in bfloat16 would be off by whole nats."""
    torch.manual_seed(0)
    net = vq.mlp_vae(784, 16, 4, likelihood)
    x = (torch.rand(50, 784, generator=generator(7)) > 0.5).float()
    dtype = torch.float16 if way == "float16" else torch.bfloat16
    if way == "autocast":
        expected = bound_in_float64(net, x, seed=1)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            terms = net.loss(x, generator=generator(1))
            log_px = net.log_likelihood(x, K=2, generator=generator(1))
        terms["loss"].backward()
        assert net.encoder.mu.weight.grad.isfinite().all()
    else:
        net.to(dtype)
        expected = bound_in_float64(net, x, seed=1)
        terms = net.loss(x, generator=generator(1))
        log_px = net.log_likelihood(x, K=2, generator=generator(1))
        assert net.encode(x).mu.dtype == dtype
    assert all(term.dtype == torch.float32 for term in terms.values())
    assert log_px.dtype == torch.float32
    # What is left is that activations are rounded to 8 bits: 2 % of log p(x)'s distance from its
    # value at params = 0. The terms of a sum in bfloat16 would be off by 8.
    assert terms["loss"].item() == pytest.approx(expected.item(), abs=0.5)
    torch.testing.assert_close(terms["loss"], terms["reconstruction"] + terms["kl"])
    assert net.sample(2, generator=generator()).shape == (2, 784)


# ---------------------------------------------------------------- torch.compile and torch.func


@pytest.mark.parametrize("condition", [vq.NoCondition(), vq.Labels(3)])
@pytest.mark.parametrize("likelihood", [vq.Gaussian(), vq.Binomial(16), vq.Bernoulli()])
def test_the_loss_compiles_as_a_whole(likelihood, condition):
    torch.manual_seed(0)
    net = vq.mlp_vae(6, 16, 2, likelihood, condition=condition)
    x = torch.ones(5, 6)
    y = None if condition.width == 0 else torch.tensor([0, 1, 2, 1, 0])
    torch._dynamo.reset()
    compiled = torch.compile(lambda x, y: net.loss(x, y), backend="aot_eager", fullgraph=True)
    torch.manual_seed(1)
    expected = net.loss(x, y)
    torch.manual_seed(1)
    found = compiled(x, y)
    for name, term in expected.items():
        torch.testing.assert_close(found[name], term)
    found["loss"].backward()
    grad = net.decoder[0].weight.grad.clone()
    net.zero_grad()
    expected["loss"].backward()
    torch.testing.assert_close(grad, net.decoder[0].weight.grad)


class Loss(nn.Module):
    """The loss as a forward pass, which `torch.func.functional_call` asks for."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x, y=None):
        return self.net.loss(x, y)["loss"]


@pytest.mark.parametrize("condition", [vq.NoCondition(), vq.Labels(3), vq.Numbers(2)])
def test_gradients_of_single_samples_by_vmap(condition):
    """Against one backward pass for each; the code has no variance, so that nothing is drawn."""
    torch.manual_seed(0)
    net = vq.mlp_vae(6, 8, 2, vq.Gaussian(), condition=condition).double()
    with torch.no_grad():
        net.encoder.log_var.weight.zero_()
        net.encoder.log_var.bias.fill_(-80)
    x = draws(5, 6)
    y = {0: None, 3: torch.tensor([0, 1, 2, 1, 0]), 2: draws(5, 2)}[condition.width]
    loss = Loss(net)
    weights = {name: p.detach() for name, p in loss.named_parameters()}

    def of_one(weights, x, y=None):
        rows = (x[None],) if y is None else (x[None], y[None])
        return torch.func.functional_call(loss, weights, rows)

    data = (x,) if y is None else (x, y)
    vectorised = torch.func.vmap(
        torch.func.grad(of_one), in_dims=(None, *[0] * len(data)), randomness="different"
    )(weights, *data)
    for i in range(5):
        net.zero_grad()
        loss(*(part[i : i + 1] for part in data)).backward()
        for name, p in loss.named_parameters():
            torch.testing.assert_close(vectorised[name][i], p.grad, rtol=1e-9, atol=1e-9)


def test_the_decoder_s_jacobian_by_torch_func():
    net, z = small(), draws(3, 2)
    found = torch.func.vmap(torch.func.jacrev(lambda z: net.decode(z[None])[0]))(z)
    for i in range(3):
        expected = torch.autograd.functional.jacobian(lambda z: net.decode(z[None])[0], z[i])
        torch.testing.assert_close(found[i], expected)
    forward = torch.func.vmap(torch.func.jacfwd(lambda z: net.decode(z[None])[0]))(z)
    torch.testing.assert_close(forward, found)
    codes = torch.func.vmap(torch.func.jacrev(lambda x: net.encode(x[None]).mu[0]))(draws(3, 6))
    assert codes.shape == (3, 2, 6)
