"""Reducers against PCA's subspace, scikit-learn and the model's own parts."""

import math

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import trustworthiness
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

import vqvae_lib as vq
from vqvae_lib.applications.reduction import LDA, Reducer, chain, codes_of, score

DATA = vq.load_digits()
X, Y = DATA.x_train[:400], DATA.y_train[:400]
X_NEW, Y_NEW = DATA.x_test[:120], DATA.y_test[:120]
PARTS = (X, Y, X_NEW, Y_NEW)


def model(bottleneck="quantum", **options):
    torch.manual_seed(0)
    return vq.VQVAE(64, 16, 4, 2, bottleneck=bottleneck, **options)


def linear_vae(d=3):
    """A VAE that is probabilistic PCA, with its exact posterior mean: all is known about it."""
    fitted = vq.ProbabilisticPCA.fit(X.double(), d)
    W, s2 = fitted.W, fitted.noise_variance
    M = W.T @ W + s2 * torch.eye(d, dtype=torch.float64)
    vae = vq.VAE(
        vq.GaussianEncoder(torch.nn.Identity(), 64, d), torch.nn.Linear(d, 64), vq.Gaussian(s2)
    ).double()
    with torch.no_grad():
        A = torch.linalg.solve(M, W.T)  # (d, D)
        vae.encoder.mu.weight.copy_(A)
        vae.encoder.mu.bias.copy_(-A @ fitted.mean)
        vae.decoder.weight.copy_(W)
        vae.decoder.bias.copy_(fitted.mean)
    return vae, fitted


def test_codes_of_a_linear_vae_are_those_of_probabilistic_pca():
    vae, fitted = linear_vae()
    z = codes_of(vae).encode(X_NEW.double())
    torch.testing.assert_close(z, fitted.posterior(X_NEW.double()).mean, rtol=0, atol=1e-9)
    # They span PCA's subspace: least squares from the one to the other leaves nothing.
    scores = PCA(3).fit(X.double().numpy()).transform(X_NEW.double().numpy())
    fit = np.linalg.lstsq(scores, z.numpy(), rcond=None)[0]
    np.testing.assert_allclose(scores @ fit, z, atol=1e-8)


@pytest.mark.parametrize("which", ["mu", "o"])
@pytest.mark.parametrize("options", [
    {}, {"scale_features": False}, {"likelihood": vq.Binomial(16)}, {"bottleneck": "none"},
    {"bottleneck": "patched", "patches": 2}, {"bottleneck": "mlp"},
], ids=str)  # fmt: skip
def test_both_codes_lead_back_to_the_same_picture(which, options):
    own = model(**options)
    reducer = codes_of(own, which)
    with torch.no_grad():
        expected = own.reconstruct(X_NEW)
    torch.testing.assert_close(reducer.decode(reducer.encode(X_NEW)), expected)


def test_features_are_the_circuit_s_expectation_values():
    own = model()
    with torch.no_grad():
        mu = own.encode(X_NEW).mu
        state = own.quantum_space(own.quantum_encoder(mu))
        expected = own.quantum_decoder(state)  # by the reference simulator
    found = codes_of(own, "o").encode(X_NEW)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert found.abs().max() <= 1
    torch.testing.assert_close(codes_of(own).encode(X_NEW), mu)


def test_modes_and_gradients_are_left_alone_and_many_rows_are_cut():
    own = model().train()
    own.decoder.eval()
    rows = torch.rand(2500, 64, generator=torch.Generator().manual_seed(0))
    z = codes_of(own).encode(rows)
    assert not z.requires_grad
    assert own.training
    assert not own.decoder.training
    with torch.no_grad():
        torch.testing.assert_close(z, own.encode(rows).mu)


@pytest.mark.parametrize("shrinkage", [None, "auto", 0.3])
def test_lda_is_scikit_learn_s(shrinkage):
    solver = "svd" if shrinkage is None else "eigen"
    theirs = LinearDiscriminantAnalysis(solver=solver, shrinkage=shrinkage, n_components=3)
    theirs.fit(X.double().numpy(), Y.numpy())
    x, x_new = X.double().numpy(), X_NEW.double().numpy()
    # Its eigen solver does not subtract the mean.
    expected = theirs.transform(x_new) - theirs.transform(x).mean(0)
    fitted = LDA.fit(X, Y, 3, shrinkage=shrinkage)
    np.testing.assert_allclose(fitted.encode(X_NEW), expected, rtol=1e-4, atol=1e-4)
    assert fitted.encode(X_NEW).dtype == torch.float32


def test_for_two_classes_lda_is_fisher_s_direction():
    mine = (Y == 3) | (Y == 8)
    x, y = X[mine][:, 18:22].double(), Y[mine]
    three, eight = x[y == 3], x[y == 8]
    S = sum((part - part.mean(0)).T @ (part - part.mean(0)) for part in (three, eight))
    w = torch.linalg.solve(S, eight.mean(0) - three.mean(0))
    found = LDA.fit(x, y, 1).encode(x)[:, 0]
    assert np.corrcoef(found, x @ w)[0, 1] ** 2 == pytest.approx(1, abs=1e-9)


def test_a_chain_of_two_pcas_is_one():
    first = vq.PCA.fit(X.double(), 20)
    both = chain(first, vq.PCA.fit(first.encode(X.double()), 5))
    alone = vq.PCA.fit(X.double(), 5)
    x = X_NEW.double()
    torch.testing.assert_close(both.encode(x).abs(), alone.encode(x).abs(), rtol=0, atol=1e-9)
    torch.testing.assert_close(
        both.decode(both.encode(x)), alone.decode(alone.encode(x)), rtol=0, atol=1e-9
    )


def test_a_chain_goes_back_only_if_both_do():
    pre = vq.PCA.fit(X, 10)
    torch.manual_seed(0)
    behind = codes_of(vq.VQVAE(10, 8, 4, 2))
    assert chain(pre, behind).decode(torch.zeros(3, 4)).shape == (3, 64)
    post = chain(behind, LDA.fit(behind.encode(pre.encode(X)), Y, 2))
    assert post.decode is None
    assert chain(pre, post).encode(X_NEW).shape == (120, 2)


def test_scores_are_scikit_learn_s():
    fitted = PCA(6).fit(X.double().numpy())
    z, z_new = (torch.from_numpy(fitted.transform(part.double().numpy())) for part in (X, X_NEW))
    found = score(vq.PCA.fit(X.double(), 6), X.double(), Y, X_NEW.double(), Y_NEW)
    back = fitted.inverse_transform(z_new.numpy())
    assert found.d == 6
    assert found.error == pytest.approx(((back - X_NEW.numpy()) ** 2).mean(), rel=1e-6)
    assert found.trustworthiness == pytest.approx(
        trustworthiness(X_NEW.double().numpy(), z_new.numpy(), n_neighbors=5), abs=1e-9
    )
    assert found.knn == KNeighborsClassifier(5).fit(z, Y).score(z_new, Y_NEW)
    scaler = StandardScaler().fit(z.numpy())
    linear = LogisticRegression(max_iter=1000).fit(scaler.transform(z.numpy()), Y)
    assert found.linear == linear.score(scaler.transform(z_new.numpy()), Y_NEW)


def test_without_a_way_back_there_is_no_error():
    assert math.isnan(score(LDA.fit(X, Y, 2), *PARTS).error)


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: codes_of(torch.nn.Linear(2, 2)), TypeError, "model is a Linear: expected a VAE"),
        (
            lambda: codes_of(model(condition=vq.Labels(3))),
            ValueError,
            r"model has the condition Labels\(n_classes=3\)",
        ),
        (lambda: codes_of(model(), "z"), ValueError, "which='z': expected one of"),
        (lambda: LDA.fit(X, Y, 10), ValueError, "d=10: expected a whole number from 1 to 9"),
        (lambda: LDA.fit(X[:, :2], Y, 3), ValueError, "from 1 to 2"),
        (lambda: LDA.fit(X, Y[:5], 1), ValueError, r"y \(5,\): expected"),
    ],
)
def test_what_does_not_fit_is_named(make, error, said):
    with pytest.raises(error, match=said):
        make()


def test_any_function_is_a_reducer():
    half = Reducer(lambda x: x[:, ::2])
    assert score(half, *PARTS).d == 32


def test_codes_of_arrays_are_those_of_tensors():
    reducer = codes_of(model())
    torch.testing.assert_close(reducer.encode(X.double().numpy()), reducer.encode(X))


def test_lda_of_any_floating_point_numbers():
    fitted = LDA.fit(X, Y, 3)
    single = LDA(fitted.mean.float(), fitted.directions.float().numpy())
    torch.testing.assert_close(single.encode(X), fitted.encode(X), rtol=1e-4, atol=1e-4)
    assert single.mean.dtype == torch.float64


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: LDA.fit(X[:12], Y[:12], 1, shrinkage=0),
            r"x of shape \(12, 64\) varies .* shrinkage='auto'",
        ),
        (lambda: LDA.fit(X, Y, 1, shrinkage="some"), "shrinkage='some': expected one of 'auto'"),
        (lambda: LDA.fit(X, Y, 1, shrinkage=1.5), "shrinkage=1.5"),
        (lambda: LDA.fit(X, Y, 1).encode(X[:, :5]), r"x has shape \(400, 5\): expected \(N, 64\)"),
        (lambda: codes_of(model()).encode(X * torch.nan), r"x\[0, 0\] is nan"),
        (lambda: chain("text", LDA.fit(X, Y, 1)), r"first is a str: .* encode\(x\)"),
        (lambda: chain(LDA.fit(X, Y, 1), LDA), "second is the class LDA"),
        (lambda: Reducer(3), "encode is a int: expected a function"),
        (lambda: score(LDA.fit(X, Y, 1), X[1:], *PARTS[1:]), r"x_train has shape \(399, 64\) and"),
        (lambda: score(LDA.fit(X, Y, 1), *PARTS[:3], Y_NEW[1:]), r"x_test has .* y_test \(119,\)"),
    ],
)
def test_what_cannot_reduce_is_named(make, said):
    with pytest.raises((TypeError, ValueError), match=said):
        make()
