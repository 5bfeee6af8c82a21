"""A linear-Gaussian VAE: x = W z + b + noise, for which every conditional has a closed form."""

import torch
from torch import nn

import vqvae_lib as vq

D, LATENT, VARIANCE = 6, 2, 0.3


class Decoder(nn.Module):
    def __init__(self, W, b):
        super().__init__()
        self.W, self.b = W, b

    def forward(self, z):
        return z @ self.W.T + self.b


class Encoder(nn.Module):
    """The true posterior's mean, and its standard deviations, correlations left out."""

    d = LATENT

    def __init__(self, W, b):
        super().__init__()
        self.W, self.b = W, b

    def forward(self, x):
        M = torch.linalg.inv(self.W.T @ self.W / VARIANCE + torch.eye(LATENT).double())
        mu = (x - self.b) @ self.W @ M / VARIANCE
        return mu, M.diagonal().log().expand(len(x), LATENT)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def linear_model():
    """A model (float64) and the Gaussian that it is."""
    W = torch.randn(D, LATENT, generator=generator(1)).double()
    b = torch.randn(D, generator=generator(2)).double()
    model = vq.VAE(Encoder(W, b), Decoder(W, b), vq.Gaussian(VARIANCE)).double()
    return model, vq.ProbabilisticPCA(b, W, VARIANCE).marginal()
