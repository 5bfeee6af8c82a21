"""Planted wrong answers of chapter 10: each gets the message that was meant for it."""

import math

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import StandardScaler

import vqvae_lib as vq
from vqvae_lib.course.exercises import chapter_10, check

# Exercise 1 ---------------------------------------------------------------------------------------


def reduced(code=None, back=None, error=None):
    """The right answer, with parts of it replaced."""

    def reduce(model, x):
        with torch.no_grad():
            z = (code or (lambda model, x: model.encode(x).mu))(model, x)
            x_hat = (back or (lambda model, x: model.reconstruct(x)))(model, x)
            return z, (error or (lambda x, x_hat: (x - x_hat).square().mean()))(x, x_hat)

    return reduce


def by_features(model, x):
    o = model.quantum_layer(model.encode(x).mu)
    x_hat = torch.sigmoid(model.decoder(model.bottleneck.scale * o))
    return model.encode(x).mu, vq.mse(x, x_hat)


@pytest.mark.parametrize(
    "answer",
    [
        reduced(),
        by_features,
        lambda m, x: (m.encode(x)[0].detach().numpy(), vq.mse(m.reconstruct(x), x)),
        lambda m, x: [m.eval().encode(x).mu, float(vq.mse(m(x), x))],
    ],
)
def test_right_reductions(answer):
    verdict = check.ex_10_1(answer)
    assert verdict.passed, verdict


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reduced(code=lambda m, x: m.reconstruct(x)), "reconstruction"),
        (reduced(code=lambda m, x: vq.reparameterise(*m.encode(x))), "drawn"),
        (reduced(code=lambda m, x: m.encode(x).log_var), "log-var"),
        (reduced(code=lambda m, x: m.quantum_layer(m.encode(x).mu)), "features"),
        (reduced(code=lambda m, x: m.bottleneck(m.encode(x).mu)), "features"),
        (reduced(back=lambda m, x: m.decode(m.encode(x).mu)), "logits"),
        (reduced(back=lambda m, x: m.decoder(m.encode(x).mu).sigmoid()), "no-circuit"),
        (reduced(error=lambda x, y: (x - y).square().sum(1).mean()), "sum"),
        (reduced(error=lambda x, y: (x - y).square().sum()), "sum"),
        (reduced(error=lambda x, y: (x - y).square().mean().sqrt()), "root"),
        (reduced(error=lambda x, y: (x - y).abs().mean()), "error"),
        (reduced(code=lambda m, x: 2 * m.encode(x).mu), "value"),
        (reduced(code=lambda m, x: m.encode(x).mu[:, :2]), "shape"),
        (lambda m, x: m.encode(x).mu, "type"),
        (lambda m, x: (m.reconstruct(x)[:, :4].tolist(), "small"), "value"),
        (reduced(error=lambda x, y: math.nan), "not-finite"),
        (lambda m, x: m.encode(x[0]), "raises"),
    ],
)
def test_wrong_reductions(answer, kind):
    verdict = check.ex_10_1(answer)
    assert verdict.kind == kind, verdict


# Exercise 2 ---------------------------------------------------------------------------------------


def extract(model, x_train, x_new, k, *, fit_on=None, mean=None, behind=None):
    with torch.no_grad():
        fitted = vq.pca(x_train if fit_on is None else fit_on(x_train, x_new), k)
        centre = fitted.mean if mean is None else mean(x_train, x_new)
        mu = model.encode((x_new - centre) @ fitted.components.T).mu
        return (behind or (lambda model, mu: model.quantum_layer(mu)))(model, mu)


def with_scikit_learn(model, x_train, x_new, k):
    """Its components are signed as the library's are."""
    from sklearn.decomposition import PCA

    scores = PCA(k).fit(x_train.numpy()).transform(x_new.numpy())
    return model.quantum_layer(model.encode(torch.from_numpy(scores).float()).mu)


def by_svd_alone(model, x_train, x_new, k):
    directions = torch.linalg.svd(x_train - x_train.mean(0)).Vh[:k]
    return model.quantum_layer(model.encode((x_new - x_train.mean(0)) @ directions.T).mu)


def wrong(**parts):
    return lambda *data: extract(*data, **parts)


def one_by_one(model, x_train, x_new, k):
    rows = [extract(model, x_train, row[None], k)[0] for row in x_new]
    return torch.stack(rows).numpy()


@pytest.mark.parametrize("answer", [extract, one_by_one, with_scikit_learn])
def test_right_features(answer):
    verdict = check.ex_10_2(answer)
    assert verdict.passed, verdict


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (wrong(behind=lambda m, mu: mu), "mu"),
        (wrong(behind=lambda m, mu: m.bottleneck(mu)), "scaled"),
        (wrong(fit_on=lambda a, b: b), "leak"),
        (wrong(mean=lambda a, b: b.mean(0)), "mean"),
        (wrong(mean=lambda a, b: 0.0), "centre"),
        (by_svd_alone, "signs"),
        (wrong(behind=lambda m, mu: m.quantum_layer(mu + torch.randn_like(mu))), "drawn"),
        (wrong(behind=lambda m, mu: -m.quantum_layer(mu)), "value"),
        (wrong(behind=lambda m, mu: m.quantum_layer(mu)[:, :3]), "shape"),
        (lambda m, a, b, k: m.encode(b), "raises"),
    ],
)
def test_wrong_features(answer, kind):
    verdict = check.ex_10_2(answer)
    assert verdict.kind == kind, verdict


# Exercise 3 ---------------------------------------------------------------------------------------


def probe(z_train, y_train, z_test, y_test, *, scale=True, own=False, means=None, ask=None):
    mean, std = z_train.mean(0), z_train.std(0)
    other = (z_test.mean(0), z_test.std(0)) if own else (mean, std)
    if scale:
        z_train, z_test = (z_train - mean) / std, (z_test - other[0]) / other[1]
    parts = {"train": (z_train, y_train), "test": (z_test, y_test)}
    fitted, asked = parts[means or "train"], parts[ask or "test"]
    centres = torch.stack([fitted[0][fitted[1] == c].mean(0) for c in range(3)])
    return (torch.cdist(asked[0], centres).argmin(1) == asked[1]).double().mean()


def by_scikit_learn(z_train, y_train, z_test, y_test):
    scaler = StandardScaler().fit(z_train)  # with 1/N
    found = NearestCentroid().fit(scaler.transform(z_train), y_train)
    return found.score(scaler.transform(z_test), y_test)


@pytest.mark.parametrize("answer", [probe, by_scikit_learn, lambda *a: probe(*a).item()])
def test_right_probes(answer):
    verdict = check.ex_10_3(answer)
    assert verdict.passed, verdict


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda *a: probe(*a, scale=False), "no-scaling"),
        (lambda *a: probe(*a, own=True), "own-scaling"),
        (lambda *a: probe(*a, means="test"), "fitted-on-test"),
        (lambda *a: probe(*a, ask="train"), "on-training"),
        (lambda *a: 1 - probe(*a), "error-rate"),
        (lambda *a: 100 * probe(*a), "percent"),
        (lambda *a: len(a[3]) * probe(*a), "count"),
        (lambda *a: 0.5, "value"),
        (lambda *a: "all", "type"),
        (lambda *a: torch.ones(3), "type"),
        (lambda a, b, c, d: a + c[:5], "raises"),
    ],
)
def test_wrong_probes(answer, kind):
    verdict = check.ex_10_3(answer)
    assert verdict.kind == kind, verdict


def test_every_mistake_of_a_probe_gives_another_share():
    data = chapter_10._codes()
    shares = [
        float(probe(*data, **options))
        for options in ({}, {"scale": False}, {"own": True}, {"means": "test"}, {"ask": "train"})
    ]
    shares += [1 - shares[0]]
    apart = np.abs(np.subtract.outer(shares, shares))[~np.eye(6, dtype=bool)]
    assert apart.min() > 1e-3
    assert 0.5 < shares[0] < 0.95


# Exercise 4 ---------------------------------------------------------------------------------------


def moves(encode, x, step=0.1):
    with torch.no_grad():
        pixels = step * torch.eye(x.shape[1])
        return torch.stack([(encode(x + p) - encode(x)).flatten() for p in pixels])  # (D, B d)


def blind(encode, x):
    found = moves(encode, x).double()
    return torch.linalg.eigh(found @ found.T).eigenvectors[:, 0]


def by_slopes(encode, x):
    total = torch.zeros(64, 64)
    for row in x[:60]:
        J = torch.autograd.functional.jacobian(lambda r: encode(r[None])[0], row)
        total += J.T @ J
    return torch.linalg.eigh(total.double()).eigenvectors[:, 0]


def by_singular_vectors(encode, x):
    return torch.linalg.svd(moves(encode, x).double()).U[:, -1].numpy()


@pytest.mark.parametrize("answer", [blind, by_slopes, by_singular_vectors])
def test_right_patterns(answer):
    verdict = check.ex_10_4(answer)
    assert verdict.passed, verdict


def most(encode, x):
    found = moves(encode, x).double()
    return torch.linalg.eigh(found @ found.T).eigenvectors[:, -1]


def random(encode, x):
    pattern = torch.randn(64, generator=torch.Generator().manual_seed(11))
    return pattern / pattern.norm()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (most, "most"),
        (random, "random"),
        (lambda e, x: blind(e, x[:2]), "not-yet"),  # of too few images
        (lambda e, x: torch.zeros(64), "length"),
        (lambda e, x: 0.01 * blind(e, x), "length"),
        (lambda e, x: torch.eye(64)[:2], "shape"),
        (lambda e, x: blind(e, x) * 1j, "type"),
        (lambda e, x: e(x) @ x, "raises"),
        (lambda e, x: torch.full((64,), math.nan), "not-finite"),
    ],
)
def test_wrong_patterns(answer, kind):
    verdict = check.ex_10_4(answer)
    assert verdict.kind == kind, verdict


def test_limits_of_patterns_have_room_on_both_sides():
    """Over networks of other seeds: the best pattern, and one that a single image suggests."""
    x = chapter_10.digits_data().x_test[:100]
    best, single = [], []
    for seed in range(20, 24):
        encode = chapter_10._network(seed=seed)
        usual = chapter_10._usual(encode, x)
        for found, pattern in ((best, blind(encode, x)), (single, blind(encode, x[:1]))):
            found.append(chapter_10._moved(encode, x, pattern.float()) / usual)
    assert max(best) < 0.8 * chapter_10._NETWORK_LIMIT
    assert min(single) > 1.1 * chapter_10._NETWORK_LIMIT


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_not_attempted(number):
    run = getattr(check, f"ex_10_{number}")
    assert run(...).status == "unattempted"
    assert run(lambda *a: ...).status == "unattempted"


def test_checks_leave_torch_s_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    check.ex_10_1(reduced())
    check.ex_10_2(extract)
    check.ex_10_4(blind)
    assert torch.equal(torch.rand(1), expected)
