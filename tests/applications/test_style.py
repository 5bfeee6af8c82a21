"""Styles whose effect is known, and a transfer in a model where the answer is known."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence

import vqvae_lib as vq
from vqvae_lib.applications.style import STYLES, StylePairs, apply_styles, transfer_style
from vqvae_lib.conditions import Labels


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_each_style_against_numpy():
    x = torch.rand(4, 35, generator=generator())
    found = apply_styles(x, torch.arange(4), (5, 7)).reshape(4, 5, 7).numpy()
    images = x.reshape(4, 5, 7).numpy()
    assert list(STYLES) == ["plain", "bold", "slanted", "inverted"]
    assert np.array_equal(found[0], images[0])
    padded = np.pad(images[1], 1)
    brightest = np.max([padded[i : i + 5, j : j + 7] for i in range(3) for j in range(3)], axis=0)
    assert np.array_equal(found[1], brightest)
    assert np.allclose(found[3], 1 - images[3])


def test_slanting_leans_to_the_right_and_keeps_the_middle_row():
    bar = torch.zeros(1, 9, 9)
    bar[:, :, 4] = 1.0
    leaning = apply_styles(bar.flatten(1), torch.tensor([2]), (9, 9)).reshape(9, 9)
    centre = (leaning * torch.arange(9.0)).sum(1) / leaning.sum(1)  # of each row
    assert centre[4] == pytest.approx(4.0, abs=1e-4)
    assert (centre.diff() < -0.4).all()  # further left, row by row downwards


def test_transfer_decodes_the_same_code_with_the_other_label():
    torch.manual_seed(0)
    model = vq.VQVAE(16, 8, 4, 2, condition=Labels(3))
    x, style, to = torch.rand(5, 16), torch.tensor([0, 1, 2, 0, 1]), torch.tensor([1, 1, 0, 2, 2])
    found = transfer_style(model, x, style, to)
    with torch.no_grad():
        wanted = model.decode(model.encode(x, style).mu, to)
        same = model.reconstruct(x, style)
    assert torch.equal(found, wanted)
    unchanged = style == to
    assert torch.allclose(found[unchanged], same[unchanged])


def test_the_loss_of_pairs_is_the_elbo_where_nothing_changes():
    torch.manual_seed(0)
    model = vq.VQVAE(64, 16, 4, 2, condition=Labels(4))
    pairs = StylePairs(model)
    x = vq.load_digits().x_train[:20]
    style = torch.arange(20) % 4
    both, labels = pairs.data(x, style, style, (8, 8))
    found = pairs.loss(both, labels, generator=generator(3))
    torch.manual_seed(0)
    wanted = model.loss(apply_styles(x, style, (8, 8)), style, generator=generator(3))
    # The usual loss draws K = 1 codes in a tensor with an axis for K: the same numbers.
    for name in ("loss", "reconstruction", "kl"):
        assert torch.allclose(found[name], wanted[name])


def test_pairs_teach_what_single_images_cannot():
    """Images upside down in brightness: with pairs a transfer comes near the truth."""
    data = vq.load_digits()
    x, style = data.x_train[:600], torch.arange(600) % 2 * 3  # plain and inverted
    to = 3 - style
    torch.manual_seed(0)
    model = vq.VQVAE(64, 64, 8, 4, bottleneck="none", condition=Labels(4))
    pairs = StylePairs(model)
    vq.fit(pairs, *pairs.data(x, style, to, (8, 8)), epochs=40, batch_size=128, lr=8e-3)
    model.eval()
    x_test, style = data.x_test[:100], torch.arange(100) % 2 * 3
    made = transfer_style(model, apply_styles(x_test, style, (8, 8)), style, 3 - style)
    error = (made - apply_styles(x_test, 3 - style, (8, 8))).square().mean().sqrt()
    assert error < 0.22  # filling with the style's mean image gives 0.27


def test_bad_input_is_named():
    x = torch.zeros(2, 64)
    with pytest.raises(ValueError, match=r"x has shape \(2, 64\): expected \(N, 56\)"):
        apply_styles(x, torch.zeros(2, dtype=torch.int64), (8, 7))
    with pytest.raises(ValueError, match=r"style\[1\] is 4: expected 0 to 3, for plain"):
        apply_styles(x, torch.tensor([0, 4]), (8, 8))
    with pytest.raises(TypeError, match=r"style has dtype torch\.float32"):
        apply_styles(x, torch.zeros(2), (8, 8))
    with pytest.raises(ValueError, match="model has no condition"):
        transfer_style(vq.VQVAE(64, 8, 4, 2), x, torch.tensor([0]), torch.tensor([0]))
    with pytest.raises(ValueError, match=r"model has the condition NoCondition\(\)"):
        StylePairs(vq.VQVAE(64, 8, 4, 2))


@pytest.mark.parametrize(("beta", "K", "weight"), [(3.0, 1, 1.0), (1.0, 4, 1.0), (2.0, 1, 0.25)])
def test_the_loss_of_pairs_is_its_formula_whatever_the_model_s_settings(beta, K, weight):
    torch.manual_seed(0)
    model = vq.VQVAE(16, 8, 4, 2, condition=Labels(4), beta=beta, K=K, likelihood=vq.Gaussian(0.3))
    model.kl_weight = weight
    style, to = torch.tensor([0, 0, 1, 1, 2, 3]), torch.tensor([1, 3, 1, 0, 3, 2])
    pairs = StylePairs(model)
    both, styles = pairs.data(torch.rand(6, 16), style, to, (4, 4))
    found = pairs.loss(both, styles, generator=generator(1))["loss"]

    mu, log_var = model.encode(both[:, :16], style)
    q, p = Normal(mu, (log_var / 2).exp()), Normal(0.0, 1.0)
    z = mu + q.stddev * torch.randn(K, 6, 4, generator=generator(1))  # (K, B, d)
    log_px = Normal(model.decode(z, to), 0.3**0.5).log_prob(both[:, 16:]).sum(2)  # (K, B)
    if K == 1:
        bound = log_px[0] - beta * weight * kl_divergence(q, p).sum(1)
    else:
        log_ratio = (p.log_prob(z) - q.log_prob(z)).sum(2)  # (K, B)
        bound = (log_px + log_ratio).logsumexp(0) - math.log(K)
    assert found.item() == pytest.approx(-bound.mean().item(), rel=1e-5)


class LinearStyles(nn.Module):
    """p(x | z, y) = N(W z + c_y, 0.3), for two styles that are each other's negatives.

    As an encoder it knows that the partner of x in the other style is 1 - x, and answers with the
    partner's exact posterior.
    """

    d = 2

    def __init__(self):
        super().__init__()
        self.W = torch.linalg.qr(torch.randn(5, 2, generator=generator(1)).double()).Q * 1.5
        self.offsets = torch.randn(2, 5, generator=generator(2)).double()  # one per style

    def forward(self, rows):
        x, style = rows[:, :5], rows[:, 5:]
        partner = 1 - x - style.flip(1) @ self.offsets
        variance = 1 / (1 + 1.5**2 / 0.3)  # the same for both, as W has orthogonal columns
        mu = variance * partner @ self.W / 0.3
        return mu, torch.full_like(mu, math.log(variance))

    def decode(self, rows):
        return rows[:, :2] @ self.W.T + rows[:, 2:] @ self.offsets


@pytest.mark.parametrize("K", [1, 3])
def test_the_bound_of_pairs_is_tight_where_q_is_the_partner_s_posterior(K):
    """Then it is log p(x' | target), a Gaussian density: a KL left out, halved or doubled shows."""
    styles = LinearStyles()
    decoder = nn.Module()
    decoder.forward = styles.decode
    model = vq.VAE(styles, decoder, vq.Gaussian(0.3), condition=Labels(2), K=K).double()
    x, y = torch.randn(5, generator=generator(3)).double(), torch.tensor([[0, 1]])
    covariance = styles.W @ styles.W.T + 0.3 * torch.eye(5).double()
    exact = MultivariateNormal(styles.offsets[1], covariance).log_prob(1 - x)
    both = torch.cat([x, 1 - x]).expand(200, -1)
    losses = torch.stack(
        [
            StylePairs(model).loss(both, y.expand(200, -1), generator=generator(seed))["loss"]
            for seed in range(20)
        ]
    )
    error = 4 * losses.std() / 20**0.5
    assert error < 0.2  # nats; the KL has about three
    assert abs(losses.mean() + exact) < error + 1e-6
    if K > 1:  # every importance weight is p(x')
        assert (losses + exact).abs().max() < 1e-5


def test_pairs_are_held_to_the_likelihood_s_data():
    model = vq.VQVAE(16, 8, 4, 2, condition=Labels(4), likelihood=vq.Bernoulli())
    style = torch.tensor([0, 1])
    pairs = StylePairs(model)
    with pytest.raises(ValueError, match="expected 0 or 1"):
        pairs.loss(*pairs.data(torch.rand(2, 16), style, style, (4, 4)))


def test_arguments_that_do_not_fit_have_their_own_names():
    model = vq.VQVAE(16, 8, 4, 2, condition=Labels(3))
    x, style = torch.rand(5, 16), torch.arange(5) % 3
    for arguments, said in (
        ((x, style.float(), style), "style: y has dtype torch.float32"),
        ((x, style, style + 1), r"target: y\[2\] is 3: expected labels from 0 to 2"),
        ((x, style, style[:4]), r"target has shape \(4,\) and x \(5, 16\)"),
    ):
        with pytest.raises((TypeError, ValueError), match=said):
            transfer_style(model, *arguments)
    with pytest.raises(ValueError, match=r"x has shape \(5, 15\): expected images and partners"):
        StylePairs(model).loss(x[:, :15], torch.stack([style, style], 1))
    with pytest.raises(ValueError, match=r"target\[3\] is 5"):
        StylePairs.data(x, style, torch.tensor([0, 1, 2, 5, 0]), (4, 4))


def test_arrays_are_put_into_the_same_styles():
    x, style = torch.rand(5, 16, generator=generator()), torch.arange(5) % 4
    expected = apply_styles(x, style, (4, 4))
    assert torch.equal(apply_styles(x.numpy(), style.numpy().astype("int32"), [4, 4]), expected)
