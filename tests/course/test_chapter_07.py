"""Planted wrong answers of chapter 7: each gets the message that was meant for it."""

import math

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import nn

import vqvae_lib as vq
from vqvae_lib.course.exercises import check
from vqvae_lib.course.exercises.chapter_07 import _separable

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
        (lambda z: by_pennylane(z, gates=((0, 1), (0, 2))), "two-from-0"),
        (lambda z: by_pennylane(z, superposition=True), "superposition"),
        (lambda z: by_pennylane(z, turn=qml.RY, superposition=True), "sine"),
        (lambda z: z.sin().cumprod(1), "sine"),
        (lambda z: (z / 2).cos().cumprod(1), "half"),
        (lambda z: (z / 2).cos(), "half"),
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
    return _separable(z, weights, **options)


def by_layer(z, weights):
    n = len(weights)
    circuit = vq.Circuit(n, 2 * n, entangler="none", space_layers=0)
    return vq.quantum.LightCone(circuit)(z, weights[None])


def by_states(z, weights):
    """A state vector of all qubits: right for few, and not what was asked for."""
    n = len(weights)
    circuit = vq.Circuit(n, 2 * n, entangler="none", space_layers=0)
    return vq.quantum.StateVector(circuit)(z, weights[None])


def test_the_check_s_own_formula_is_the_library_s_circuit():
    generator = torch.Generator().manual_seed(5)
    z = torch.randn(4, 6, generator=generator).double()
    weights = torch.randn(3, 3, generator=generator).double()
    torch.testing.assert_close(product(z, weights), by_states(z, weights), rtol=0, atol=1e-12)


@pytest.mark.parametrize("answer", [product, by_layer])
def test_right_products(answer):
    assert check.ex_07_2(answer).passed


def apart(z, weights):
    right = product(z, weights)
    return torch.cat([right[:, ::2], right[:, 1::2]], 1)


def halves(z, weights):
    t, u = z.chunk(2, 1)
    return product(torch.stack([t, u], 2).flatten(1), weights)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (apart, "apart"),
        (lambda z, w: product(z, w).reshape(len(z), -1, 2).flip(2).flatten(1), "swapped"),
        (lambda z, w: product(z, w, start=(0, 0, 1)), "no-superposition"),
        (lambda z, w: product(z, w, embed="zy"), "embedding-order"),
        (lambda z, w: product(z, w, embed="y"), "no-u"),
        (lambda z, w: product(z, w, order=(2, 1, 0)), "rot-order"),
        (lambda z, w: product(z, w, sense=-1), "sense"),
        (lambda z, w: product(z, w, factor=0.5), "half"),
        (halves, "coordinates"),
        (lambda z, w: -product(z, w), "value"),
        (lambda z, w: product(z, w)[:, ::2], "shape"),
        (by_states, "raises"),
    ],
)
def test_wrong_products(answer, kind):
    verdict = check.ex_07_2(answer)
    assert verdict.kind == kind, verdict


# Exercise 3 ---------------------------------------------------------------------------------------


class Quantum(nn.Module):
    def __init__(self, *, circuit=None):
        super().__init__()
        circuit = circuit or vq.Circuit(4, 8, angle_scale=0.3, mirror=True)
        self.layer = vq.QuantumLayer(circuit)

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
        self.model = vq.VQVAE(64, 32, 8, 4, likelihood=vq.Gaussian(0.05, min_variance=0.0))

    def encode(self, x):
        return self.model.encode(x.flatten(1))

    def decode(self, z):
        return self.model.decode(z)

    def loss(self, x):
        return self.model.loss(x.flatten(1))["loss"]


class Fives(Repaired):
    """The KL by torch.distributions, many draws, all the same otherwise."""

    def kl(self, mu, log_var):
        q = torch.distributions.Normal(mu, (0.5 * log_var).exp())
        p = torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
        return torch.distributions.kl_divergence(q, p).sum(1)


@pytest.mark.parametrize("answer", [Repaired, TwoHeads, Library, Fives])
def test_repaired_models(answer):
    verdict = check.ex_07_3(answer)
    assert verdict.passed, verdict


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
        (broken(draw=lambda s, mu, lv: mu + lv.exp() * torch.randn_like(mu)), "std"),
        (broken(draw=lambda s, mu, lv: mu), "no-draw"),
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
        (variance_of(1.0), "variance"),
        (variance_of(0.5), "variance"),
        (variance_of(0.05), "constant"),
        (broken(loss=scaled_loss(200.0)), "sum"),
        (broken(loss=scaled_loss(-1.0)), "elbo"),
        (broken(loss=scaled_loss(0.7)), "value"),
        (broken(loss=lambda s, x: Repaired.loss(s, x).expand(2)), "shape"),
        (broken(loss=lambda s, x: Repaired.loss(s, x).detach()), "no-slope"),
        (broken(encode=lambda s, x: Repaired.encode(s, x)[0]), "type"),
        (broken(loss=lambda s, x: None), "returns-nothing"),
        (broken(loss=None), "returns-nothing"),
        (broken(loss=3), "not-a-function"),
        (Repaired(), "instance"),
        (type("Bare", (nn.Module,), {}), "missing"),
        (lambda: 1 / 0, "raises"),
    ],
)
def test_models_with_faults(answer, kind):
    verdict = check.ex_07_3(answer)
    assert verdict.kind == kind, verdict


def test_the_statement_s_own_class_is_not_yet_right():
    class Plain:
        def __init__(self):
            self.layer = vq.QuantumLayer(vq.Circuit(4, 8, angle_scale=0.3, mirror=True))

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


def test_the_check_leaves_torch_s_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    check.ex_07_3(Repaired)
    assert torch.equal(torch.rand(1), expected)


# Exercise 4 ---------------------------------------------------------------------------------------


def by_circuits(amplitudes):
    layers = -1
    while 2 ** max(vq.Circuit(50, 100, space_layers=layers + 1).light_cone_widths) <= amplitudes:
        layers += 1
    return layers


@pytest.mark.parametrize(
    "answer",
    [
        by_circuits,
        lambda a: (a.bit_length() - 1 - 4) // 2,
        lambda a: torch.tensor(by_circuits(a)),
        lambda a: np.float64(by_circuits(a)),
    ],
)
def test_right_depths(answer):
    assert check.ex_07_4(answer).passed


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda a: math.floor(math.log2(a) / 2), "embedding"),
        (lambda a: (a - 4) // 2, "qubits"),
        (lambda a: by_circuits(a) + 1, "too-wide"),
        (lambda a: by_circuits(a - 1), "too-narrow"),
        (lambda a: max(0, by_circuits(a)), "minus-one"),
        (lambda a: 7, "value"),
        (lambda a: "3", "type"),
        (lambda a: math.nan, "not-finite"),
    ],
)
def test_wrong_depths(answer, kind):
    verdict = check.ex_07_4(answer)
    assert verdict.kind == kind, verdict


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_not_attempted(number):
    run = getattr(check, f"ex_07_{number}")
    assert run(...).status == "unattempted"
    assert run(lambda *a: ...).status == "unattempted"
