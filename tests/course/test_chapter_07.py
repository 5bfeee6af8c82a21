"""Planted wrong answers of chapter 7: each gets the message that was meant for it."""

import functools
import math

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import nn

import vqvae_lib as vq
from vqvae_lib.course.exercises import check
from vqvae_lib.course.exercises.chapter_07.exercise_2 import _NoLargeTensor, _solve

# Exercise 1 ---------------------------------------------------------------------------------------


def by_pennylane(z, *, gates=((0, 1), (1, 2)), turn=qml.RX, superposition=False):
    @qml.qnode(qml.device("default.qubit", wires=3))
    def run(row):
        for q in range(3):
            if superposition:
                qml.Hadamard(q)
            turn(row[q], q)
        for pair in gates:
            qml.CNOT(pair)
        return [qml.expval(qml.Z(q)) for q in range(3)]

    return torch.stack([torch.stack(run(row)) for row in z])


@pytest.mark.parametrize(
    "answer",
    [
        by_pennylane,
        lambda z: z.cos().cumprod(1),
        lambda z: np.cumprod(np.cos(z.numpy()), 1),
        lambda z: [[math.prod(math.cos(t) for t in row[: k + 1]) for k in range(3)] for row in z],
        lambda z: z.float().cos().cumprod(1),
    ],
)
def test_right_embeddings(answer):
    assert check.ex_07_1(answer).passed


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda z: by_pennylane(z, gates=()), "no-gates"),
        (lambda z: by_pennylane(z, gates=((1, 2), (0, 1))), "order"),
        (lambda z: by_pennylane(z, gates=((1, 0), (2, 1))), "reversed"),
        (lambda z: by_pennylane(z, gates=((2, 1), (1, 0))), "reversed"),
        (lambda z: by_pennylane(z, gates=((0, 1),)), "one-gate"),
        (lambda z: by_pennylane(z, gates=((1, 2),)), "one-gate"),
        (lambda z: by_pennylane(z, gates=((0, 1), (0, 2))), "two-from-0"),
        (lambda z: by_pennylane(z, superposition=True), "superposition"),
        (lambda z: by_pennylane(z, turn=qml.RY, superposition=True), "sine"),
        (lambda z: z.sin().cumprod(1), "sine"),
        (lambda z: (z / 2).cos().cumprod(1), "half"),
        (lambda z: (z / 2).cos(), "half"),
        (lambda z: (0.3 * z).cos().cumprod(1), "scale"),
        (lambda z: z.cos().cumprod(1).long(), "whole"),
        (lambda z: z.cos().cumsum(1), "value"),
        (lambda z: z.cos().cumprod(1)[0], "shape"),
        (lambda z: torch.exp(1j * z), "type"),
        (lambda z: z @ z, "raises"),
    ],
)
def test_wrong_embeddings(answer, kind):
    verdict = check.ex_07_1(answer)
    assert verdict.kind == kind, verdict


def test_rx_and_ry_on_zero_are_the_same_here():
    """⟨Z⟩ cannot tell them apart, so RY passes."""
    assert check.ex_07_1(lambda z: by_pennylane(z, turn=qml.RY)).passed


# Exercise 2 ---------------------------------------------------------------------------------------


def product(z, weights, **options):
    return _solve(z, weights, **options)


def by_layer(z, weights):
    n = len(weights)
    circuit = vq.Circuit(n, entangler="none", space_layers=0)
    return vq.quantum.LightCone(circuit)(z, weights[None])


def by_states(z, weights):
    """A state vector of all qubits: right for few, and not what was asked for."""
    n = len(weights)
    circuit = vq.Circuit(n, entangler="none", space_layers=0)
    return vq.quantum.StateVectorSimulator(circuit)(z, weights[None])


def test_the_check_s_own_formula_is_the_library_s_circuit():
    generator = torch.Generator().manual_seed(5)
    z = torch.randn(4, 6, generator=generator).double()
    weights = torch.randn(3, 3, generator=generator).double()
    torch.testing.assert_close(product(z, weights), by_states(z, weights), rtol=0, atol=1e-12)


def by_components(z, weights, *, spoilt=False):
    """Component by component; spoilt, the old x is gone when the next line needs it."""
    t, u = z[:, ::2], z[:, 1::2]
    phi, theta, omega = weights.T
    x, y, h = t.cos() * u.cos(), t.cos() * u.sin(), -t.sin()
    old = x
    x = x * phi.cos() - y * phi.sin()
    y = (x if spoilt else old) * phi.sin() + y * phi.cos()
    old = x
    x = x * theta.cos() + h * theta.sin()
    h = h * theta.cos() - (x if spoilt else old) * theta.sin()
    x = x * omega.cos() - y * omega.sin()
    return torch.stack([h, x], 2).flatten(1)


def by_hand(z, weights):
    """Numbers of Python, and single precision in the end."""
    found = torch.zeros(z.shape)
    for b, row in enumerate(z.tolist()):
        for i, (phi, theta, omega) in enumerate(weights.tolist()):
            t, u = row[2 * i : 2 * i + 2]
            x, y, h = math.cos(t) * math.cos(u + phi), math.cos(t) * math.sin(u + phi), -math.sin(t)
            x, h = (
                x * math.cos(theta) + h * math.sin(theta),
                h * math.cos(theta) - x * math.sin(theta),
            )
            found[b, 2 * i : 2 * i + 2] = torch.tensor(
                [h, x * math.cos(omega) - y * math.sin(omega)]
            )
    return found


@pytest.mark.parametrize(
    "answer",
    [
        product,
        by_layer,
        by_components,
        by_hand,
        lambda z, w: by_components(z, w).numpy(),
        lambda z, w: product(z.float(), w.float()),
        # All turns about z the other way: y changes its sign, and it is not asked for.
        lambda z, w: product(z, w, times=(1, -1, -1, 1, -1)),
    ],
)
def test_right_products(answer):
    verdict = check.ex_07_2(answer)
    assert verdict.passed, verdict


def apart(z, weights):
    right = product(z, weights)
    return torch.cat([right[:, ::2], right[:, 1::2]], 1)


def halves(z, weights):
    t, u = z.chunk(2, 1)
    return product(torch.stack([t, u], 2).flatten(1), weights)


def by_outer_products(z, weights):
    """The state of all qubits, which grows from qubit to qubit."""
    state = torch.ones(len(z), 1)
    for _i in range(len(weights)):
        state = (state[:, :, None] * torch.full((2,), 0.5**0.5)).flatten(1)
    return product(z, weights)


def only_few(z, weights):
    if len(weights) > 3:
        return torch.zeros(z.shape)
    return product(z, weights)


def three_at_most(z, weights):
    names = ["first", "second", "third"]
    return product(z, weights) + 0 * sum(len(names[i]) for i in range(len(weights)))


def times(*factors):
    return lambda z, w: product(z, w, times=factors)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (apart, "apart"),
        (lambda z, w: product(z, w).reshape(len(z), -1, 2).flip(2).flatten(1), "swapped"),
        (lambda z, w: product(z, w, start=(0, 0, 1)), "no-superposition"),
        (lambda z, w: product(z, w, order=(1, 0, 2, 3, 4)), "embedding-order"),
        (lambda z, w: product(z, w, order=(0, 2, 3, 4)), "no-u"),
        (lambda z, w: product(z, w, order=(0, 1, 4, 3, 2)), "rot-order"),
        (times(-1, -1, -1, -1, -1), "sense"),
        (times(-1, 1, 1, -1, 1), "sense"),
        (times(-1, 1, 1, 1, 1), "sense-t"),
        (times(1, 1, 1, -1, 1), "sense-theta"),
        (times(1, 1, -1, 1, -1), "sense-z"),
        (times(0.5, 0.5, 0.5, 0.5, 0.5), "half"),
        (times(0.3, 0.3, 1, 1, 1), "scale"),
        (lambda z, w: by_components(z, w, spoilt=True), "overwritten"),
        (lambda z, w: product(z, w, slips=(0, 1, 2, 3, 4)), "overwritten"),
        (halves, "coordinates"),
        (lambda z, w: -product(z, w), "value"),
        (lambda z, w: product(z, w)[:, ::2], "shape"),
        (by_states, "state"),
        (by_outer_products, "state"),
        (lambda z, w: product(z, w) + 0 * torch.zeros(2 ** len(w)).sum(), "state"),
        (only_few, "value"),
        (three_at_most, "raises"),
        (lambda z, w: z @ w, "raises"),
    ],
)
def test_wrong_products(answer, kind):
    verdict = check.ex_07_2(answer)
    assert verdict.kind == kind, verdict


def test_a_state_is_stopped_before_it_takes_all_memory():
    with _NoLargeTensor():
        torch.zeros(2**20)
        with pytest.raises(MemoryError, match="1048577"):
            torch.zeros(2**20 + 1)


# Exercise 3 ---------------------------------------------------------------------------------------


class Quantum(nn.Module):
    def __init__(self, *, circuit=None):
        super().__init__()
        init = "random" if circuit else "noisy_passthrough"
        circuit = circuit or vq.Circuit(4, angle_scale=0.3, mirror=True)
        self.layer = vq.QuantumLayer(circuit, init=init)

    def forward(self, z):
        return self.layer(z)


class Repaired(nn.Module):
    """All faults repaired; each subclass puts one back."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))
        self.quantum = Quantum()
        self.decoder = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64))

    def encode(self, x):
        mu, log_var = self.encoder(x.flatten(1)).chunk(2, dim=1)
        return mu, log_var

    def decode(self, z):
        return self.decoder(self.quantum(z))

    def draw(self, mu, log_var):
        return mu + (0.5 * log_var).exp() * torch.randn_like(mu)

    def nll(self, x, image):
        squares = (x.flatten(1) - image).square() / 0.05
        return 0.5 * (squares + math.log(2 * math.pi * 0.05)).sum(1)

    def kl(self, mu, log_var):
        return 0.5 * (mu.square() + log_var.exp() - 1 - log_var).sum(1)

    def loss(self, x):
        mu, log_var = self.encode(x)
        image = self.decode(self.draw(mu, log_var))
        return (self.nll(x, image) + self.kl(mu, log_var)).mean()


class TwoHeads(Repaired):
    def __init__(self):
        super().__init__()
        self.encoder = vq.GaussianEncoder(vq.mlp([64, 32], output_activation="gelu"), 32, 8)

    def encode(self, x):
        return tuple(self.encoder(x.reshape(len(x), -1)))


class Library(nn.Module):
    """The library's own model with the interface that was asked for."""

    def __init__(self):
        super().__init__()
        self.model = vq.VQVAE(64, 32, 8, 4, likelihood=vq.Gaussian(0.05))

    def encode(self, x):
        return self.model.encode(x.flatten(1))

    def decode(self, z):
        return self.model.decode(z)

    def loss(self, x):
        return self.model.loss(x.flatten(1))["loss"]


class ByDistributions(Repaired):
    """The KL by torch.distributions."""

    def kl(self, mu, log_var):
        q = torch.distributions.Normal(mu, (0.5 * log_var).exp())
        p = torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
        return torch.distributions.kl_divergence(q, p).sum(1)


class OneByOne(Repaired):
    """A loop over images."""

    def loss(self, x):
        total = 0
        for image in x.split(1):
            total = total + Repaired.loss(self, image)
        return total / len(x)


class SampledKL(Repaired):
    """The KL as log q(z|x) - log p(z) of the draw itself."""

    def loss(self, x):
        mu, log_var = self.encode(x)
        q = torch.distributions.Normal(mu, (0.5 * log_var).exp())
        z = q.rsample()
        ratio = q.log_prob(z) - torch.distributions.Normal(0.0, 1.0).log_prob(z)
        return (self.nll(x, self.decode(z)) + ratio.sum(1)).mean()


class DecodesTwice(Repaired):
    def loss(self, x):
        mu, log_var = self.encode(x)
        z = self.draw(mu, log_var)
        half = self.nll(x, self.decode(z)) + self.nll(x, self.decode(z))
        return (0.5 * half + self.kl(mu, log_var)).mean()


class FixedVariance(Repaired):
    """The variance is a parameter that is not trained."""

    def __init__(self):
        super().__init__()
        self.variance = nn.Parameter(torch.tensor(0.05), requires_grad=False)

    def nll(self, x, image):
        normal = torch.distributions.Normal(image, self.variance.sqrt())
        return -normal.log_prob(x.flatten(1)).sum(1)


class Double(Repaired):
    def __init__(self):
        super().__init__()
        self.double()

    def encode(self, x):
        return Repaired.encode(self, x.double())


class WithDropout(Repaired):
    def __init__(self):
        super().__init__()
        self.encoder.insert(2, nn.BatchNorm1d(64))
        self.decoder.insert(2, nn.Dropout(0.2))


class DrawsInTrainingOnly(Repaired):
    def draw(self, mu, log_var):
        return Repaired.draw(self, mu, log_var) if self.training else mu


class ListedAngles(Repaired):
    """The circuit is in no module, and its angles are parameters all the same."""

    def __init__(self):
        super().__init__()
        self.plain = [self.quantum]
        self.angles = nn.ParameterList(self.quantum.parameters())
        del self.quantum

    def decode(self, z):
        return self.decoder(self.plain[0](z))


class NarrowStart(Repaired):
    """All log-variances begin at `first`."""

    first = -4.0

    def __init__(self):
        super().__init__()
        with torch.no_grad():
            self.encoder[-1].weight[8:] = 0
            self.encoder[-1].bias[8:] = self.first


class UnitStart(NarrowStart):
    first = 0.0


class Scaled(Repaired):
    def decode(self, z):
        return self.decoder(self.quantum(z) / 0.3)


RIGHT = [
    Repaired,
    TwoHeads,
    Library,
    ByDistributions,
    OneByOne,
    SampledKL,
    DecodesTwice,
    FixedVariance,
    Double,
    WithDropout,
    DrawsInTrainingOnly,
    ListedAngles,
    NarrowStart,
    UnitStart,
    Scaled,
    lambda: Repaired(),
]


@pytest.mark.parametrize("answer", RIGHT)
def test_repaired_models(answer):
    verdict = check.ex_07_3(answer)
    assert verdict.passed, verdict


def started(model, seed):
    """The class with another start."""

    def make():
        torch.manual_seed(seed)
        return model()

    return make


@pytest.mark.parametrize("seed", range(6))
def test_the_start_does_not_matter(seed):
    for model in (Repaired, SampledKL):
        verdict = check.ex_07_3(started(model, seed))
        assert verdict.passed, verdict
    assert check.ex_07_3(started(draws(by_variance), seed)).kind == "std"


def broken(**methods):
    """The repaired class with some methods replaced."""
    return type("Broken", (Repaired,), methods)


class NarrowEncoder(Repaired):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8))


class Around(Repaired):
    """The code reaches the decoder beside the circuit."""

    def decode(self, z):
        return self.decoder(self.quantum(z) + z)


class Untrained(Repaired):
    def __init__(self):
        super().__init__()
        quantum = self.quantum
        del self.quantum
        self.plain = [quantum]

    def decode(self, z):
        return self.decoder(self.plain[0](z))


class OneAngle(Repaired):
    def decode(self, z):
        return self.decoder(self.quantum(z * torch.tensor([1.0] * 7 + [0.0])))


class NoModule:
    def __init__(self):
        self.inside = Repaired()
        self.encode, self.decode = self.inside.encode, self.inside.decode
        self.loss = self.inside.loss


def draws(draw):
    return broken(draw=lambda self, mu, log_var: draw(mu, log_var))


def by_variance(mu, log_var):
    return mu + log_var.exp() * torch.randn_like(mu)


def at_fixed_seed(mu, log_var):
    noise = torch.randn(mu.shape, generator=torch.Generator().manual_seed(1))
    return mu + (0.5 * log_var).exp() * noise


class BadStart(NarrowStart):
    def draw(self, mu, log_var):
        return by_variance(mu, log_var)


class BadUnitStart(UnitStart):
    def draw(self, mu, log_var):
        return by_variance(mu, log_var)


def with_circuit(**options):
    """The repaired class with another circuit."""

    class Other(Repaired):
        def __init__(self):
            super().__init__()
            settings = {"angle_scale": 0.3, "mirror": True} | options
            self.quantum = Quantum(circuit=vq.Circuit(4, **settings))

    return Other


class NoCircuit(Repaired):
    def __init__(self):
        super().__init__()
        self.quantum = nn.Linear(8, 8)


class Frozen(Repaired):
    def __init__(self):
        super().__init__()
        self.quantum.requires_grad_(False)


class OneSpread(Repaired):
    """A log-variance that is learnt, but is no function of the image."""

    def __init__(self):
        super().__init__()
        self.log_var = nn.Parameter(torch.zeros(8))

    def encode(self, x):
        mu, _log_var = Repaired.encode(self, x)
        return mu, self.log_var.expand_as(mu)


def ten_draws(self, x):
    mu, log_var = self.encode(x)
    nll = sum(self.nll(x, self.decode(self.draw(mu, log_var))) for _draw in range(10)) / 10
    return (nll + self.kl(mu, log_var)).mean()


def past_the_circuit(self, x):
    mu, log_var = self.encode(x)
    z = self.draw(mu, log_var)
    return (self.nll(x, self.decoder(z)) + self.kl(mu, log_var)).mean()


def detached_features(self, x):
    """`decode` is in order, and `loss` does not use it."""
    mu, log_var = self.encode(x)
    image = self.decoder(self.quantum(self.draw(mu, log_var)).detach())
    return (self.nll(x, image) + self.kl(mu, log_var)).mean()


def half_a_slope(self, x):
    loss = Repaired.loss(self, x)
    return 0.5 * (loss + loss.detach())


def nll_of_pytorch(self, x, image):
    variance = torch.full_like(image, 0.05)
    return nn.functional.gaussian_nll_loss(image, x.flatten(1), variance, reduction="none").sum(1)


def mean_nll(self, x, image):
    return Repaired.nll(self, x, image) / 64


def narrow(self, x, image):
    return -torch.distributions.Normal(image, 0.05).log_prob(x.flatten(1)).sum(1)


def mse(self, x):
    mu, log_var = self.encode(x)
    return nn.functional.mse_loss(self.decode(self.draw(mu, log_var)), x.flatten(1))


def mse_and_kl(self, x):
    mu, log_var = self.encode(x)
    return mse(self, x) + self.kl(mu, log_var).mean()


def scaled_loss(factor):
    return lambda self, x: factor * Repaired.loss(self, x)


def kl_times(factor):
    return broken(kl=lambda self, mu, log_var: factor * Repaired.kl(self, mu, log_var))


def variance_of(value):
    def nll(self, x, image):
        return ((x.flatten(1) - image).square() / (2 * value)).sum(1)

    return broken(nll=nll)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (NarrowEncoder, "chunk"),
        (broken(encode=lambda s, x: s.encoder(x).chunk(2, dim=1)), "flatten"),
        (broken(encode=lambda s, x: [p.squeeze() for p in Repaired.encode(s, x)]), "squeeze"),
        (draws(by_variance), "std"),
        (BadStart, "std"),
        (BadUnitStart, "std"),
        (draws(lambda mu, lv: mu), "no-draw"),
        (draws(at_fixed_seed), "no-draw"),
        (draws(lambda mu, lv: mu + torch.randn_like(mu)), "no-spread"),
        (draws(lambda mu, lv: torch.randn_like(mu)), "prior"),
        (draws(lambda mu, lv: mu + (0.5 * lv).exp() * torch.rand_like(mu)), "draws"),
        (draws(lambda mu, lv: mu + (-0.5 * lv).exp() * torch.randn_like(mu)), "draws"),
        (draws(lambda mu, lv: mu + 0.5 * lv * torch.randn_like(mu)), "draws"),
        (draws(lambda mu, lv: mu + (0.5 * lv).exp() * torch.randn(8)), "shared"),
        (draws(lambda mu, lv: mu + (0.5 * lv).exp() * torch.randn(len(mu), 1)), "one-number"),
        (draws(lambda mu, lv: vq.reparameterise(mu.detach(), lv)), "detach"),
        (draws(lambda mu, lv: mu + (0.5 * lv).exp().detach() * torch.randn_like(mu)), "detach"),
        (draws(lambda mu, lv: vq.reparameterise(mu, lv).detach()), "detach"),
        (broken(kl=lambda s, mu, lv: Repaired.kl(s, mu, lv).detach()), "detach"),
        (broken(loss=detached_features), "detach"),
        (broken(loss=half_a_slope), "slope"),
        (broken(loss=ten_draws), "count"),
        (broken(loss=past_the_circuit), "no-circuit"),
        (broken(loss=lambda s, x: torch.tensor(0.0)), "no-circuit"),
        (with_circuit(mirror=False), "other-circuit"),
        (with_circuit(entangler="ring"), "other-circuit"),
        (with_circuit(entangler="none"), "other-circuit"),
        (with_circuit(angle_scale=1.0), "other-circuit"),
        (NoCircuit, "no-circuit"),
        (Frozen, "frozen"),
        (broken(decode=lambda s, z: s.decoder(s.quantum(z.flip(1)))), "other-code"),
        (OneSpread, "constant"),
        (broken(encode=lambda s, x: [Repaired.encode(s, x)[0]] * 2), "same"),
        (broken(encode=lambda s, x: [p.detach() for p in Repaired.encode(s, x)]), "detach"),
        (broken(decode=lambda s, z: s.decoder(s.quantum(0 * z))), "no-data"),
        (broken(decode=lambda s, z: s.decoder(s.quantum(z).detach())), "detach"),
        (broken(decode=lambda s, z: s.decoder(s.quantum(z.detach()))), "detach"),
        (Around, "around"),
        (OneAngle, "lost"),
        (Untrained, "untrained"),
        (NoModule, "no-module"),
        (broken(loss=mse), "no-kl"),
        (broken(loss=mse_and_kl), "mse"),
        (kl_times(0), "no-kl"),
        (kl_times(1 / 8), "kl-mean"),
        (kl_times(-1), "kl-sign"),
        (kl_times(2), "kl-half"),
        (kl_times(0.5), "kl-half"),
        (variance_of(1.0), "variance"),
        (variance_of(0.5), "variance"),
        (variance_of(0.05), "constant"),
        (broken(nll=nll_of_pytorch), "constant"),
        (broken(nll=narrow), "variance"),
        (variance_of(0.05**2), "variance"),
        (broken(nll=mean_nll), "mse"),
        (broken(loss=lambda s, x: len(x) * Repaired.loss(s, x)), "sum"),
        (broken(loss=scaled_loss(-1.0)), "elbo"),
        (broken(loss=scaled_loss(0.7)), "value"),
        (broken(loss=lambda s, x: Repaired.loss(s, x).expand(2)), "shape"),
        (broken(loss=lambda s, x: Repaired.loss(s, x).detach()), "no-slope"),
        (broken(encode=lambda s, x: Repaired.encode(s, x)[0]), "type"),
        (broken(loss=lambda s, x: Repaired.loss(s, x).item()), "float"),
        (broken(loss=lambda s, x: None), "returns-nothing"),
        (broken(loss=None), "returns-nothing"),
        (broken(loss=3), "not-a-function"),
        (Repaired(), "instance"),
        (type("Bare", (nn.Module,), {}), "missing"),
        (lambda: 1 / 0, "raises"),
        ("Repaired", "not-a-class"),
    ],
)
def test_models_with_faults(answer, kind):
    verdict = check.ex_07_3(answer)
    assert verdict.kind == kind, verdict


def test_the_statement_s_own_class_is_not_yet_right():
    class Plain:
        def __init__(self):
            self.layer = vq.QuantumLayer(vq.Circuit(4, angle_scale=0.3, mirror=True))

        def __call__(self, z):
            return self.layer(torch.zeros(len(z), 8)).detach()

    class Article(NarrowEncoder):
        def __init__(self):
            super().__init__()
            del self.quantum
            self.quantum = Plain()

        def encode(self, x):
            mu, log_var = self.encoder(x).chunk(2, dim=1)
            return mu.squeeze(), log_var.squeeze()

        loss = mse

    assert check.ex_07_3(Article).kind == "flatten"


HINTS = {
    draws(lambda mu, lv: vq.reparameterise(mu.detach(), lv)): "through the mean in `z`",
    draws(
        lambda mu, lv: mu + (lv / 2).exp().detach() * torch.randn_like(mu)
    ): "through the standard deviation in `z`",
    broken(kl=lambda s, mu, lv: Repaired.kl(s, mu, lv).detach()): "The KL has no gradient",
    broken(loss=detached_features): "The circuit's weights get no gradient",
    broken(nll=nll_of_pytorch): "Only the log(2π) part",
    broken(nll=narrow): "0.05 is the variance, not the standard deviation",
}


@pytest.mark.parametrize(("answer", "hint"), HINTS.items(), ids=HINTS.values())
def test_one_kind_of_mistake_has_several_hints(answer, hint):
    assert hint in check.ex_07_3(answer).message


def test_the_model_s_weights_are_as_they_were():
    model = Repaired()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert check.ex_07_3(lambda: model).passed
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_the_check_leaves_torch_s_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    check.ex_07_3(Repaired)
    assert torch.equal(torch.rand(1), expected)


# Exercise 4 ---------------------------------------------------------------------------------------


@functools.cache
def cone_widths(layers):
    return vq.Circuit(50, space_layers=layers).light_cone_widths


def by_circuits(amplitudes):
    layers = -1
    while 2 ** max(cone_widths(layers + 1)) <= amplitudes:
        layers += 1
    return layers


def by_list(deepest):
    """All depths up to one, tried anew for every question."""

    def affordable(amplitudes):
        widths = [max(cone_widths(k)) for k in deepest]
        fitting = [k for k, w in zip(deepest, widths, strict=True) if 2**w <= amplitudes]
        return max(fitting, default=-1)

    return affordable


@pytest.mark.parametrize(
    "answer",
    [
        by_circuits,
        by_list(range(50)),
        by_list(range(100)),
        lambda a: max(-1, (a.bit_length() - 1 - 4) // 2),
        lambda a: max(-1, (math.floor(math.log2(a)) - 4) // 2),
        lambda a: np.clip(np.floor((np.log2(a) - 4) / 2), -1, None),
        lambda a: torch.tensor(by_circuits(a)),
        lambda a: np.float64(by_circuits(a)),
    ],
)
def test_right_depths(answer):
    verdict = check.ex_07_4(answer)
    assert verdict.passed, verdict


def by_cones(width, depths=range(60)):
    """The depth by another width than the largest."""

    def affordable(amplitudes):
        widths = [width(cone_widths(k)) for k in depths]
        return max((k for k in depths if 2 ** widths[k] <= amplitudes), default=-1)

    return affordable


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda a: math.floor(math.log2(a) / 2), "embedding"),
        (lambda a: (a - 4) // 2, "qubits"),
        (lambda a: by_circuits(a) + 1, "too-wide"),
        (lambda a: by_circuits(a) - 1, "too-narrow"),
        (lambda a: by_circuits(a - 1), "limit"),
        (lambda a: max(0, by_circuits(a)), "minus-one"),
        (lambda a: (int(math.log2(a)) - 4) // 2, "minus-one"),
        (by_cones(min), "one-cone"),
        (by_cones(lambda widths: widths[0], range(30)), "one-cone"),  # and it stops too early
        (by_cones(np.mean), "one-cone"),
        (by_cones(np.median), "one-cone"),
        (by_list(range(8)), "stops"),
        (by_list(range(20)), "stops"),
        (lambda a: by_circuits(a) if a >= 16 else None, "returns-nothing"),
        (lambda a: 7, "value"),
        (lambda a: 2.5, "value"),
        (lambda a: 10**9, "value"),
        (lambda a: by_circuits(a) + (a == 10**6), "value"),
        (lambda a: "3", "type"),
        (lambda a: math.nan, "not-finite"),
    ],
)
def test_wrong_depths(answer, kind):
    verdict = check.ex_07_4(answer)
    assert verdict.kind == kind, verdict


def test_a_depth_without_a_name_is_told_its_width():
    one_more = check.ex_07_4(lambda a: by_circuits(a) + (a == 10**6)).message
    assert one_more.endswith("expected 7, got 8. With 8 layers the widest cone has 20 qubits.")
    one_less = check.ex_07_4(lambda a: by_circuits(a) - (a == 10**6)).message
    assert one_less.endswith("expected 7, got 6. With 7 layers the widest cone has 18 qubits.")


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_not_attempted(number):
    run = getattr(check, f"ex_07_{number}")
    assert run(...).status == "unattempted"
    assert run(lambda *a: ...).status == "unattempted"
