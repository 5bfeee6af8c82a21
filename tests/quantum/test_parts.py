"""The three parts of a circuit, one after the other, against PennyLane and the whole."""

import numpy as np
import pennylane as qml
import pytest
import torch

import vqvae_lib as vq
from vqvae_lib.quantum import draw
from vqvae_lib.quantum.parts import QuantumDecoder, QuantumEncoder, QuantumSpace
from vqvae_lib.quantum.pennylane_backend import quantum_function
from vqvae_lib.quantum.statevector import bloch_vectors, entanglement_entropy

CIRCUITS = [
    vq.Circuit(3),
    vq.Circuit(3, initial="zero", embedding="RX", entangler="ring", gate="CZ", readout="Z"),
    vq.Circuit(2, entangler="none", space_layers=0),
    vq.Circuit(4, embedding="RY", reupload=True, space_layers=3),
    vq.Circuit(4, mirror=True, decoder_layers=3),
]


@pytest.fixture(params=CIRCUITS, ids=lambda circuit: f"{circuit.n_qubits} {circuit.entangler}")
def parts(request):
    """A circuit's layer, its parts, and some latent vectors."""
    generator = torch.Generator().manual_seed(0)
    layer = vq.QuantumLayer(request.param, init="random", generator=generator).double()
    z = torch.randn(5, request.param.latent_dim, generator=generator, dtype=torch.float64)
    return layer, QuantumEncoder(layer), QuantumSpace(layer), QuantumDecoder(layer), z


def test_one_after_the_other_they_are_the_whole(parts):
    layer, encoder, space, decoder, z = parts
    features = decoder(space(encoder(z), z))
    torch.testing.assert_close(features, layer(z), rtol=0, atol=1e-12)


def test_states_are_pennylanes(parts):
    """The encoder's state, and the one that the space makes of it, amplitude by amplitude."""
    layer, encoder, space, _, z = parts
    n = layer.circuit.n_qubits

    weights = layer.weights.detach()

    @qml.qnode(qml.device("default.qubit", wires=n))
    def run(row, part, start=None):
        if start is not None:
            qml.StatePrep(start, range(n))
        return quantum_function(layer.circuit, row, weights, part=part)

    for row, encoded, carried in zip(z, encoder(z), space(encoder(z), z).detach(), strict=True):
        first = run(row, "encoder")
        np.testing.assert_allclose(encoded.numpy(), first, atol=1e-12)
        np.testing.assert_allclose(carried.numpy(), run(row, "space", first), atol=1e-12)


def test_features_are_those_of_the_state_before_the_measurement(parts):
    """⟨Z⟩ and ⟨X⟩ of each qubit, from PennyLane's matrices."""
    layer, encoder, space, decoder, z = parts
    states = decoder.before_measurement(space(encoder(z), z)).detach().numpy()
    observables = [
        qml.matrix({"Z": qml.Z, "X": qml.X}[o](q), wire_order=range(layer.circuit.n_qubits))
        for q in range(layer.circuit.n_qubits)
        for o in layer.circuit.readout
    ]
    expected = np.stack(
        [(states.conj() * (states @ seen.T)).sum(1).real for seen in observables], 1
    )
    np.testing.assert_allclose(layer(z).detach(), expected, atol=1e-12)


def test_gradients_pass_through_the_parts(parts):
    layer, encoder, space, decoder, z = parts
    decoder(space(encoder(z), z)).square().sum().backward()
    through_parts, layer.weights.grad = layer.weights.grad, None
    layer(z).square().sum().backward()
    torch.testing.assert_close(through_parts, layer.weights.grad, rtol=0, atol=1e-12)


def test_their_drawings_make_up_the_whole_s(parts):
    """Gate by gate, the three parts hold what the whole holds."""
    layer, *three, _ = parts
    whole = draw(layer.circuit)
    for gate in ("RY", "RX", "RZ", "Rot", "●", "<Z>", "<X>", "─H─"):
        assert sum(part.draw().count(gate) for part in three) == whole.count(gate), gate


def test_they_say_what_they_are():
    layer = vq.QuantumLayer(vq.Circuit(3), init="random")
    assert (
        repr(QuantumSpace(layer))
        == "quantum space 2 x (Rot on each qubit, brickwork layer of CNOT)"
    )
    assert repr(QuantumEncoder(layer)).startswith("quantum encoder RY(1 z[2i])")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e, s, d: e(torch.zeros(2, 5)), r"z has shape \(2, 5\): expected \(B, 6\)"),
        (lambda e, s, d: s(torch.zeros(2, 4)), r"state has shape \(2, 4\): expected \(B, 8\)"),
        (lambda e, s, d: d(torch.zeros(8)), r"state has shape \(8,\): expected \(B, 8\)"),
        (
            lambda e, s, d: draw(e.circuit, part="middle"),
            "part='middle': expected one of 'encoder'",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    layer = vq.QuantumLayer(vq.Circuit(3), init="random")
    with pytest.raises(ValueError, match=message):
        call(QuantumEncoder(layer), QuantumSpace(layer), QuantumDecoder(layer))


def test_re_uploading_asks_for_z():
    layer = vq.QuantumLayer(vq.Circuit(2, embedding="RY", reupload=True), init="random")
    state = QuantumEncoder(layer)(torch.zeros(3, 2))
    with pytest.raises(ValueError, match="z is missing: with reupload=True"):
        QuantumSpace(layer)(state)
    with pytest.raises(
        ValueError,
        match=r"z has shape \(2, 2\) and state \(3, 4\): expected the same number of rows",
    ):
        QuantumSpace(layer)(state, torch.zeros(2, 2))


def test_fifty_qubits_have_no_state_that_fits():
    layer = vq.QuantumLayer(vq.Circuit(50), init="random")
    with pytest.raises(ValueError, match=r"n_qubits=50 needs .* GB .*light_cone"):
        QuantumEncoder(layer)(torch.zeros(1, 100))


# What a state says of one qubit -------------------------------------------------------------------


def test_bloch_vectors_and_entropies_are_those_of_the_reduced_states():
    """Against PennyLane's partial traces and entropies."""
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(4, 16, 2, generator=generator, dtype=torch.float64)
    states = torch.view_as_complex(states)
    states = states / states.norm(dim=1, keepdim=True)
    vectors, entropies = bloch_vectors(states), entanglement_entropy(states)
    assert vectors.shape == (4, 4, 3)
    for b in range(4):
        for qubit in range(4):
            rho = qml.math.reduce_statevector(states[b].numpy(), [qubit])
            paulis = [qml.matrix(gate(0)) for gate in (qml.X, qml.Y, qml.Z)]
            expected = [np.trace(rho @ pauli).real for pauli in paulis]
            np.testing.assert_allclose(vectors[b, qubit], expected, atol=1e-12)
            entropy = qml.math.vn_entropy(rho[None], [0], base=2).item()
            assert float(entropies[b, qubit]) == pytest.approx(entropy, abs=1e-10)


def test_known_entropies():
    product = torch.tensor([[1.0, 0, 0, 0]], dtype=torch.complex128)
    bell = torch.tensor([[1.0, 0, 0, 1]], dtype=torch.complex128) / 2**0.5
    assert entanglement_entropy(product).tolist() == [[0, 0]]
    torch.testing.assert_close(
        entanglement_entropy(bell), torch.ones(1, 2, dtype=torch.float64), rtol=0, atol=1e-12
    )
