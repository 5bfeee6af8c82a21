"""The reference simulator against NumPy's matrices."""

from functools import reduce

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from tests.quantum.oracle import problem
from vqvae_lib import Circuit
from vqvae_lib.quantum import statevector as sv
from vqvae_lib.quantum.circuit import Embed, Entangle, Rotate

X = np.array([[0, 1], [1, 0]])
Y = np.array([[0, -1j], [1j, 0]])
Z = np.diag([1, -1])
I = np.eye(2)  # noqa: E741


def on(n, **gates):
    """Kronecker product of the gates named q0, q1, …, with identities elsewhere."""
    return reduce(np.kron, [gates.get(f"q{i}", I) for i in range(n)])


def random_state(B, n, seed=0):
    g = torch.Generator().manual_seed(seed)
    state = torch.randn(B, 2**n, dtype=torch.complex128, generator=g)
    return state / state.norm(dim=1, keepdim=True)


@pytest.mark.parametrize(("gate", "axis"), [(sv.rx, X), (sv.ry, Y), (sv.rz, Z)])
def test_rotations_are_exponentials_of_paulis(gate, axis):
    for angle in (0.0, 0.7, -2.0, 9.0):
        matrix = gate(torch.tensor(angle, dtype=torch.float64))
        np.testing.assert_allclose(matrix, expm(-0.5j * angle * axis), atol=1e-15)


def test_rot_is_three_rotations_the_first_angle_first():
    angles = torch.tensor([0.3, -1.1, 2.5], dtype=torch.float64)
    phi, theta, omega = angles.tolist()
    matrix = expm(-0.5j * omega * Z) @ expm(-0.5j * theta * Y) @ expm(-0.5j * phi * Z)
    np.testing.assert_allclose(sv.rot(angles), matrix, atol=1e-15)


@pytest.mark.parametrize("qubit", [0, 1, 2])
def test_gates_on_one_qubit_are_kronecker_products(qubit):
    state = random_state(2, 3)
    gate = sv.rot(torch.tensor([0.3, -1.1, 2.5], dtype=torch.float64))
    matrix = on(3, **{f"q{qubit}": gate.numpy()})
    np.testing.assert_allclose(
        sv.apply_gate(state, gate, qubit), state.numpy() @ matrix.T, atol=1e-15
    )
    # One gate for each sample.
    gates = sv.ry(torch.tensor([0.1, 2.0], dtype=torch.float64))
    got = sv.apply_gate(state, gates, qubit)
    for b in range(2):
        matrix = on(3, **{f"q{qubit}": gates[b].numpy()})
        np.testing.assert_allclose(got[b], matrix @ state[b].numpy(), atol=1e-15)


@pytest.mark.parametrize(("control", "target"), [(0, 1), (1, 0), (0, 2), (2, 0), (2, 1)])
def test_gates_on_two_qubits_are_sums_of_projectors(control, target):
    state = random_state(2, 3)
    zero, one = np.diag([1, 0]), np.diag([0, 1])
    for gate, flip in ((sv.cnot, X), (sv.cz, Z)):
        matrix = on(3, **{f"q{control}": zero}) + on(3, **{f"q{control}": one, f"q{target}": flip})
        np.testing.assert_allclose(
            gate(state, control, target), state.numpy() @ matrix.T, atol=1e-15
        )


@pytest.mark.parametrize("qubit", [0, 1, 2])
def test_expectations_are_quadratic_forms(qubit):
    state = random_state(4, 3)
    for expectation, pauli in ((sv.expectation_z, Z), (sv.expectation_x, X)):
        matrix = on(3, **{f"q{qubit}": pauli})
        wanted = np.einsum("bi,ij,bj->b", state.numpy().conj(), matrix, state.numpy()).real
        np.testing.assert_allclose(expectation(state, qubit), wanted, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_norm_survives_a_hundred_layers(dtype):
    circuit = Circuit(5, space_layers=100, reupload=True)
    z, weights, _ = problem(circuit, 3, 0, dtype)
    operations = circuit.operations()
    rotations = 5 * sum(3 * isinstance(o, Rotate) + 2 * isinstance(o, Embed) for o in operations)
    assert rotations == 5 * (3 * 101 + 2 * 100)
    state = sv.initial_state(circuit.initial, 5, like=z)
    state = sv.evolve(state, operations, z, weights)
    # Each rotation is rounded, and so changes the norm by about one unit of rounding.
    assert (state.norm(dim=1) - 1).abs().max() < rotations * torch.finfo(dtype).eps


def test_the_uniform_superposition_has_an_amplitude_for_each_of_all_basis_states():
    state = sv.initial_state("superposition", 3, like=torch.zeros(2, 3))
    np.testing.assert_allclose(state, np.full((2, 8), 8**-0.5), atol=1e-7)
    assert state.dtype == torch.complex64
    zero = sv.initial_state("zero", 2, like=torch.zeros(1, 4, dtype=torch.float64))
    assert zero.tolist() == [[1, 0, 0, 0]]
    assert zero.dtype == torch.complex128
    with pytest.raises(ValueError, match="kind='plus': expected one of 'superposition', 'zero'"):
        sv.initial_state("plus", 2, like=torch.zeros(1, 2))


def test_second_derivatives_hold_where_amplitudes_vanish():
    """⟨Z⟩ = cos t at t = 0, where the amplitude of |1⟩ is exactly zero."""
    circuit = Circuit(
        1, initial="zero", embedding="RY", encoder_layers=0, space_layers=0, readout="Z"
    )
    weights = torch.zeros(circuit.weight_shape, dtype=torch.float64)
    hessian = torch.autograd.functional.hessian(
        lambda z: sv.StateVectorSimulator(circuit)(z[None], weights).sum(), torch.zeros(1).double()
    )
    assert (hessian + 1).abs().max() < 1e-15


def test_it_has_second_derivatives():
    backend = sv.StateVectorSimulator(Circuit(2))
    z = torch.randn(1, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(backend.circuit.weight_shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(backend, (z, weights), atol=1e-6)


def test_each_sample_may_have_its_own_weights():
    circuit = Circuit(3, entangler="ring")
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    L, n, _ = circuit.weight_shape
    weights = torch.randn(L, n, 4, 3, generator=generator, dtype=torch.float64)
    simulator = sv.StateVectorSimulator(circuit)
    start = sv.initial_state(circuit.initial, n, like=z)
    together = sv.evolve(start, circuit.operations(), z, weights)
    for i in range(4):
        alone = simulator.state(z[i : i + 1], weights[:, :, i])
        torch.testing.assert_close(together[i], alone[0], rtol=0, atol=1e-13)


# --------------------------------------------------------------------- one dispatch, and strict


@pytest.mark.parametrize("gate", [sv.cnot, sv.cz])
@pytest.mark.parametrize(
    ("control", "target", "told"),
    [
        (1, 1, "control=1 and target=1: expected two different qubits"),
        (3, 0, "control=3: expected a whole number from 0 to 2"),
        (0, -1, "target=-1: expected a whole number from 0 to 2"),
    ],
)
def test_gates_on_impossible_pairs_are_refused(gate, control, target, told):
    with pytest.raises(ValueError, match=told):
        gate(random_state(1, 3), control, target)


def test_qubits_that_are_not_there_are_refused():
    for call in (
        lambda state: sv.apply_gate(state, torch.eye(2), 2),
        lambda state: sv.expectation_z(state, -1),
        lambda state: sv.expectations(state, [0, 2], "ZX"),
    ):
        with pytest.raises(ValueError, match=r"qubit.*=.*: expected a whole number from 0 to 1"):
            call(random_state(1, 2))


def test_unknown_names_are_refused_and_not_taken_for_another_gate():
    state, z, weights = random_state(1, 2), torch.zeros(1, 2), torch.zeros(1, 2, 3)
    layer = Entangle(((0, 1),), "CZ")
    object.__setattr__(layer, "gate", "SWAP")  # past the check of Entangle itself
    with pytest.raises(ValueError, match="gate='SWAP': expected one of 'CNOT', 'CZ'"):
        sv.evolve(state, [layer], z, weights)
    with pytest.raises(ValueError, match=r"gates\[0\]='RQ': expected one of 'RX', 'RY', 'RZ'"):
        sv.evolve(state, [Embed(("RQ",), 1.0)], z, weights)
    with pytest.raises(ValueError, match=r"readout\[1\]='Y': expected one of 'Z', 'X'"):
        sv.expectations(state, [0], "ZY")
    with pytest.raises(TypeError, match="operations holds a str: expected Embed, Rotate"):
        sv.evolve(state, ["H"], z, weights)


def test_expectations_come_qubit_by_qubit_in_the_order_of_the_readout():
    state = random_state(3, 3)
    wanted = [[(Z, 2), (X, 2), (Z, 0), (X, 0)], [(X, 1)]]
    for (qubits, readout), pairs in zip([([2, 0], "ZX"), ([1], "X")], wanted, strict=True):
        values = sv.expectations(state, qubits, readout).numpy()
        for column, (pauli, qubit) in zip(values.T, pairs, strict=True):
            matrix = on(3, **{f"q{qubit}": pauli})
            expected = np.einsum("bi,ij,bj->b", state.numpy().conj(), matrix, state.numpy()).real
            np.testing.assert_allclose(column, expected, atol=1e-15)


@pytest.mark.parametrize("shape", [(4,), (2, 6), (2, 1), (1, 2, 4)])
def test_what_is_not_a_state_is_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(B, 2\*\*n\)"):
        sv.expectation_z(torch.zeros(shape, dtype=torch.complex128), 0)


def test_rx_leaves_the_superposition_where_it_is():
    """The reason why `Circuit` refuses the two together, re-uploading or not."""
    z = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    plus = sv.initial_state("superposition", 3, like=z)
    turned = sv.embed(plus, Embed(("RX",), 1.0), z)
    assert (sv.bloch_vectors(turned) - sv.bloch_vectors(plus)).abs().max() < 1e-15
    turned = sv.embed(plus, Embed(("RY",), 1.0), z)
    assert (sv.bloch_vectors(turned) - sv.bloch_vectors(plus)).abs().max() > 0.5


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (
            lambda s: sv.embed(s, Embed(("RY",), 1.0), torch.zeros(2, 4)),
            r"z has shape \(2, 4\): expected \(B, 2\)",
        ),
        (
            lambda s: sv.embed(s, Embed(("RY",), 1.0), torch.zeros(3, 2)),
            r"z has shape \(3, 2\) and state \(2, 4\): expected the same number of rows",
        ),
        (
            lambda s: sv.rotate(s, torch.zeros(3, 3)),
            r"angles has shape \(3, 3\): expected \(2, 3\), or \(2, 2, 3\)",
        ),
        (
            lambda s: sv.rotate(s, torch.zeros(2, 5, 3)),
            r"angles has shape \(2, 5, 3\): expected \(2, 3\), or \(2, 2, 3\)",
        ),
        (
            lambda s: sv.evolve(s, [Rotate(1)], torch.zeros(2, 2), torch.zeros(1, 2, 3)),
            r"weights has 1 layers, and operations holds Rotate\(1\): expected at least 2",
        ),
        (
            lambda s: sv.evolve(s, [Rotate(0)], torch.zeros(2, 2), torch.zeros(1, 3, 3)),
            r"weights has shape \(1, 3, 3\): expected \(layers, 2, ...\)",
        ),
        (
            lambda s: sv.entangle(s, Entangle(((0, 2),))),
            "target=2: expected a whole number from 0 to 1",
        ),
        (
            lambda s: sv.apply_gate(s, torch.zeros(5, 2, 2), 0),
            r"gate has shape \(5, 2, 2\) and state \(2, 4\): expected a gate \(2, 2\), or \(2, 2",
        ),
        (
            lambda s: sv.initial_state("zero", 60, like=torch.zeros(2, 2)),
            "n_qubits=60 needs .* GB for 2 state vector.*Use fewer qubits",
        ),
    ],
)
def test_what_belongs_to_another_number_of_qubits_is_refused(call, told):
    with pytest.raises(ValueError, match=told):
        call(random_state(2, 2))


def test_gates_work_in_the_precision_of_the_state():
    state = random_state(2, 2).to(torch.complex64)
    z = torch.randn(2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    turned = sv.embed(state, Embed(("RY",), 1.0), z)
    assert turned.dtype == torch.complex64
    assert torch.equal(turned, sv.embed(state, Embed(("RY",), 1.0), z.float().numpy()))


def test_real_states_have_bloch_vectors():
    state = torch.tensor([[0.6, 0.8]])
    assert torch.equal(sv.bloch_vectors(state), sv.bloch_vectors(state + 0j))
    assert sv.bloch_vectors(state)[0, 0].tolist() == pytest.approx([0.96, 0.0, -0.28])
