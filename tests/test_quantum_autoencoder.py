"""The quantum autoencoder against NumPy's matrices and PennyLane's density matrices."""

import numpy as np
import pennylane as qml
import pytest
import torch

import vqvae_lib as vq
from vqvae_lib.quantum.circuit import Rotate
from vqvae_lib.quantum_autoencoder import (
    QuantumAutoencoder,
    amplitude_states,
    best_unitary,
    compression_bound,
    density_matrix,
)


def random_states(B, n, seed=0, *, real=False):
    generator = torch.Generator().manual_seed(seed)
    parts = torch.randn(B, 2**n, 2, generator=generator, dtype=torch.float64)
    states = parts[..., 0] if real else torch.view_as_complex(parts)
    return states / states.abs().square().sum(1, keepdim=True).sqrt()


def family(n, k, B=40, seed=0):
    """States that some unitary compresses without loss: of rank 2**k."""
    generator = np.random.default_rng(seed)
    basis = np.linalg.qr(
        generator.normal(size=(2**n, 2**n)) + 1j * generator.normal(size=(2**n,) * 2)
    )
    inside = random_states(B, k, seed).numpy() @ basis.Q.T[: 2**k]
    return torch.from_numpy(inside)


def randomised(model, seed=0):
    generator = torch.Generator().manual_seed(seed)
    weights = 6.3 * torch.rand(model.weights.shape, generator=generator, dtype=torch.float64)
    model.weights = torch.nn.Parameter(weights)
    return model


@pytest.mark.parametrize("entangler", ["ring", "brickwork", "none"])
@pytest.mark.parametrize("gate", ["CNOT", "CZ"])
@pytest.mark.parametrize("n", [2, 4])
def test_unitary_is_that_of_pennylane(n, entangler, gate):
    model = randomised(QuantumAutoencoder(n, 1, layers=3, entangler=entangler, gate=gate))
    weights = model.weights.detach().numpy()

    def circuit():
        for operation in model.operations:
            if isinstance(operation, Rotate):
                for qubit in range(n):
                    qml.Rot(*weights[operation.row, qubit], wires=qubit)
            else:
                for pair in operation.pairs:
                    getattr(qml, gate)(wires=pair)

    wanted = qml.matrix(circuit, wire_order=range(n))()
    np.testing.assert_allclose(model.unitary().detach().numpy(), wanted, atol=1e-12)
    assert [op.row for op in model.operations if isinstance(op, Rotate)] == [0, 1, 2, 3]


@pytest.mark.parametrize(("n", "k"), [(2, 1), (4, 1), (4, 3), (5, 2)])
def test_every_quantity_is_that_of_pennylane(n, k):
    """On hardware's terms: measure the trash, throw it away, reset it, undo the circuit."""
    model = randomised(QuantumAutoencoder(n, k, layers=2))
    states = random_states(3, n)
    U = model.unitary().detach().numpy()
    trash = list(range(k, n))
    device = qml.device("default.mixed", wires=n + len(trash))

    @qml.qnode(device)
    def kept(state):
        qml.StatePrep(state, wires=range(n))
        qml.QubitUnitary(U, wires=range(n))
        return qml.density_matrix(wires=range(k)), qml.probs(wires=trash)

    @qml.qnode(device)
    def back(state):
        qml.StatePrep(state, wires=range(n))
        qml.QubitUnitary(U, wires=range(n))
        fresh = list(range(n, n + len(trash)))  # new qubits in the trash's place
        qml.adjoint(qml.QubitUnitary)(U, wires=[*range(k), *fresh])
        return qml.density_matrix(wires=[*range(k), *fresh])

    for i, state in enumerate(states.numpy()):
        rho, probabilities = kept(state)
        one = states[i : i + 1]
        np.testing.assert_allclose(model.compress(one)[0].detach(), rho, atol=1e-12)
        p0 = float(model.trash_probability(one).detach())
        assert p0 == pytest.approx(probabilities[0], abs=1e-12)
        rebuilt = back(state)
        np.testing.assert_allclose(model.reconstruct(one)[0].detach(), rebuilt, atol=1e-12)
        fidelity = np.vdot(state, rebuilt @ state).real
        assert float(model.fidelity(one).detach()) == pytest.approx(fidelity, abs=1e-12)


def test_bound_is_the_sum_of_the_largest_eigenvalues():
    states = random_states(12, 4)
    matrix = sum(np.outer(s, s.conj()) for s in states.numpy()) / 12
    np.testing.assert_allclose(density_matrix(states).numpy(), matrix, atol=1e-14)
    eigenvalues = np.sort(np.linalg.eigvalsh(matrix))[::-1]
    for k in range(5):
        assert compression_bound(states, k) == pytest.approx(eigenvalues[: 2**k].sum(), abs=1e-12)


@pytest.mark.parametrize("real", [True, False])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_best_unitary_reaches_the_bound_and_nothing_exceeds_it(k, real):
    states = random_states(30, 4, real=real)
    bound = compression_bound(states, k)

    def p0(U):
        split = (states.to(U.dtype) @ U.T).reshape(30, 2**k, -1)
        return float(split[:, :, 0].abs().square().sum(1).mean())

    U = best_unitary(states, k)
    np.testing.assert_allclose(U @ U.conj().T, torch.eye(16, dtype=U.dtype), atol=1e-12)
    assert p0(U) == pytest.approx(bound, abs=1e-12)
    generator = np.random.default_rng(0)
    for _ in range(50):
        gaussian = generator.normal(size=(16, 16)) + 1j * generator.normal(size=(16, 16))
        assert p0(torch.from_numpy(np.linalg.qr(gaussian).Q)) <= bound + 1e-12


@pytest.mark.parametrize("seed", range(3))
def test_fidelity_lies_between_the_square_of_p0_and_p0(seed):
    model = randomised(QuantumAutoencoder(4, 2), seed)
    states = random_states(50, 4, seed)
    with torch.no_grad():
        p0, fidelity = model.trash_probability(states), model.fidelity(states)
    assert bool((p0**2 <= fidelity + 1e-12).all())
    assert bool((fidelity <= p0 + 1e-12).all())


def test_a_family_inside_the_circuit_is_compressed_without_loss():
    hidden = randomised(QuantumAutoencoder(4, 2, layers=2, entangler="brickwork"), 5)
    inside = torch.zeros(30, 4, 4, dtype=torch.complex128)
    inside[:, :, 0] = random_states(30, 2)
    states = (inside.reshape(30, 16) @ hidden.unitary().mH.T).detach()  # undone: the family
    with torch.no_grad():
        assert float(hidden.trash_probability(states).min()) == pytest.approx(1, abs=1e-12)
        assert float(hidden.fidelity(states).min()) == pytest.approx(1, abs=1e-12)
    assert compression_bound(states, 2) == pytest.approx(1, abs=1e-12)


def test_it_is_trained_by_fit_on_real_and_complex_states():
    states = family(3, 1)
    torch.manual_seed(0)
    model = QuantumAutoencoder(3, 1, layers=4)
    pairs = torch.view_as_real(states).float()
    history = vq.fit(model, pairs, epochs=150, lr=0.05, batch_size=40)
    assert history.train["loss"][-1] < 0.02 < 0.3 < history.train["loss"][0]
    loss = float(model.loss(pairs)["loss"].detach())
    p0 = model.trash_probability(states.to(torch.complex64)).mean().detach()
    assert loss == pytest.approx(1 - float(p0), abs=1e-6)
    model.loss(random_states(5, 3, real=True).float())["loss"].backward()


def test_gradient_is_that_of_finite_differences():
    model = randomised(QuantumAutoencoder(3, 1, layers=1))
    states = random_states(4, 3)

    def loss(weights):
        return torch.func.functional_call(model, {"weights": weights}, (states,))

    model.forward = lambda x: model.loss(x)["loss"]
    assert torch.autograd.gradcheck(loss, (model.weights.detach().requires_grad_(),))


def test_drawing_and_repr():
    model = QuantumAutoencoder(3, 1, layers=2)
    assert model.draw().splitlines()[0].startswith("0: ──Rot─╭●")
    assert "3 qubits into 1, 2 layers, ring of CNOT" in repr(model)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: QuantumAutoencoder(4, 4), "n_kept=4: expected a whole number from 1 to 3"),
        (lambda: QuantumAutoencoder(4, 0), "n_kept=0"),
        (lambda: QuantumAutoencoder(4, 1.5), "n_kept=1.5"),
        (lambda: QuantumAutoencoder(0, 1), "n_qubits=0"),
        (lambda: QuantumAutoencoder(4, 2, layers=0), "layers=0"),
        (lambda: QuantumAutoencoder(4, 2, entangler="star"), "entangler='star'"),
        (lambda: amplitude_states(torch.rand(3, 60)), "60 is not a power of two"),
        (
            lambda: amplitude_states(torch.zeros(3, 64)),
            r"length of x\[0\] is 0 \(and 2 more\): expected rows of finite length above 0",
        ),
        (lambda: amplitude_states(torch.full((2, 4), torch.nan)), r"length of x\[0\] is nan"),
        (lambda: amplitude_states(torch.rand(64)), r"x has shape \(64,\): expected \(B, 2\*\*n\)"),
        (
            lambda: density_matrix(torch.rand(3, 4)),
            r"squared length of states\[0\] .*amplitude_states",
        ),
        (
            lambda: compression_bound(random_states(3, 2), 3),
            "n_kept=3: expected a whole number from 0 to 2",
        ),
        (
            lambda: QuantumAutoencoder(3, 1).encode(random_states(2, 2)),
            r"states has shape \(2, 4\): expected \(B, 8\)",
        ),
        (lambda: QuantumAutoencoder(2, 1).fidelity(torch.rand(1, 4)), "squared length"),
    ],
)
def test_what_does_not_fit_is_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()
