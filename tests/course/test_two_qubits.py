"""The circuit of two qubits, seen from Python, and its arithmetic run in Node."""

import json
import math

import numpy as np
import pennylane as qml
import pytest
import traitlets

from tests.course.widget_tools import assert_words_are_used, in_node, needs_node, state_in_html
from vqvae_lib.course.widgets import TwoQubits, two_qubits

BELL = (math.pi / 2, 0.0, 0.0, 0.0)


@qml.qnode(qml.device("default.qubit", wires=2))
def circuit(angles, entangler):
    """PennyLane's state, and ⟨Z₀⟩, ⟨Z₁⟩, ⟨Z₀Z₁⟩."""
    for qubit in (0, 1):
        qml.RY(angles[qubit], wires=qubit)
    if entangler != "none":
        getattr(qml, entangler)(wires=[0, 1])
    for qubit in (0, 1):
        qml.RY(angles[2 + qubit], wires=qubit)
    z = [qml.PauliZ(qubit) for qubit in (0, 1)]
    return qml.state(), *(qml.expval(observable) for observable in (*z, z[0] @ z[1]))


def entropy_of(state):
    """Entropy in bits of qubit 0 alone, of the eigenvalues of its density matrix."""
    matrix = np.reshape(state, (2, 2))
    p = np.linalg.eigvalsh(matrix @ matrix.conj().T).clip(1e-300, 1)
    return float(-(p * np.log2(p)).sum())


def drawn_cases(count=60):
    rng = np.random.default_rng(0)
    entanglers = ["none", "CNOT", "CZ"]
    return [(rng.uniform(-math.pi, math.pi, 4).tolist(), entanglers[i % 3]) for i in range(count)]


CASES = [
    (BELL, "CNOT"), (BELL, "none"), (BELL, "CZ"), ((0.0,) * 4, "CNOT"),
    ((math.pi,) * 4, "CZ"), ((math.pi / 2, math.pi / 2, 0.0, 0.0), "CNOT"),
    ((math.pi / 2, math.pi / 2, 0.0, -math.pi / 2), "CZ"), *drawn_cases(),
]  # fmt: skip


def figure(**changes):
    return TwoQubits(**({"alt": "A circuit and bars."} | changes))


# State and repr -----------------------------------------------------------------------------------


def test_it_has_its_state_and_repr():
    widget = figure(angles=(1, -0.5, 0.25, 0), entangler="CZ", seed=7)
    state = state_in_html(widget)
    assert set(state) == {"alt", "angles", "counts", "entangler", "seed", "words"}
    assert (state["angles"], state["entangler"]) == ([1, -0.5, 0.25, 0], "CZ")
    assert (state["counts"], state["seed"]) == ([], 7)
    assert repr(widget) == "TwoQubits(angles=[1.0, -0.5, 0.25, 0.0], entangler='CZ')"
    bundle, _ = widget._repr_mimebundle_()
    assert bundle["text/html"].endswith(">A circuit and bars.</div>")
    assert len(bundle["text/html"].encode()) < 5_000


def test_it_begins_with_a_bell_state():
    state = state_in_html(figure())
    assert (tuple(state["angles"]), state["entangler"], state["seed"]) == (BELL, "CNOT", 0)


def test_angles_may_be_an_array():
    assert figure(angles=np.array(BELL)).angles == list(BELL)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"angles": (0, 0, 0)}, r"angles=\[0, 0, 0\]: expected four numbers from -π to π"),
        ({"angles": (0, 0, 0, 3.2)}, r"angles=\[0, 0, 0, 3.2\]: expected four"),
        ({"angles": (0, 0, 0, float("nan"))}, r"nan\]: expected four"),
        ({"angles": "0000"}, r"angles=\['0', '0', '0', '0'\]: expected four"),
        ({"entangler": "cnot"}, "entangler='cnot': expected one of 'none', 'CNOT', 'CZ'"),
        ({"entangler": None}, "entangler=None: expected"),
        ({"seed": -1}, "seed=-1: expected a whole number of at least 0"),
        ({"seed": 0.5}, "seed=0.5: expected a whole number"),
    ],
)
def test_what_is_no_circuit_is_named(changes, said):
    with pytest.raises(ValueError, match=said):
        figure(**changes)


def test_it_stays_in_range_later():
    widget = figure()
    for name, value in (
        ("angles", [0, 0, 0]),
        ("angles", [0, 0, 0, 4.0]),
        ("entangler", "SWAP"),
        ("seed", -1),
    ):
        with pytest.raises(traitlets.TraitError):
            setattr(widget, name, value)


def test_every_text_comes_from_the_catalogue_and_is_used(monkeypatch):
    # words[value] and words[`${entangler}Does`] of the entanglers, words[name] of the examples
    entanglers = {name + does for name in two_qubits.ENTANGLERS for does in ("", "Does")}
    computed = entanglers | {"product", "bell", "anti", "partly"}
    assert_words_are_used(two_qubits, monkeypatch, computed)


# Arithmetic in Node -------------------------------------------------------------------------------


@needs_node
def test_browser_and_python_share_the_entanglers():
    assert in_node("two_qubits", "Object.keys(ENTANGLERS)") == list(two_qubits.ENTANGLERS)


@needs_node
def test_amplitudes_and_expectations_are_those_of_pennylane():
    found = in_node(
        "two_qubits",
        f"{json.dumps(CASES)}.map((c) => [amplitudes(...c), expectations(amplitudes(...c))])",
    )
    for case, (state, values) in zip(CASES, found, strict=True):
        expected, z0, z1, both = (np.array(value) for value in circuit(*case))
        np.testing.assert_allclose(state, expected, atol=1e-12, err_msg=str(case))
        np.testing.assert_allclose(values["single"], [z0, z1], atol=1e-12)
        np.testing.assert_allclose(values["ones"], [(1 - z0) / 2, (1 - z1) / 2], atol=1e-12)
        assert values["both"] == pytest.approx(both, abs=1e-12)
        assert values["correlation"] == pytest.approx(both - z0 * z1, abs=1e-12)


@needs_node
def test_entropy_is_that_of_the_reduced_density_matrix():
    states = [np.array(circuit(*case)[0]).real.tolist() for case in CASES]
    found = in_node("two_qubits", f"{json.dumps(states)}.map((s) => [entropy(s), isProduct(s)])")
    for case, state, (bits, product) in zip(CASES, states, found, strict=True):
        assert bits == pytest.approx(entropy_of(state), abs=1e-11), case
        assert 0 <= bits <= 1 + 1e-12
        assert product == (np.linalg.svd(np.reshape(state, (2, 2)))[1][1] < 1e-9), case
    assert [product for _, product in found[:7]] == [False, True, True, True, True, True, False]


@needs_node
def test_examples_are_what_they_are_called():
    found = in_node(
        "two_qubits",
        "Object.fromEntries(Object.entries(PRESETS).map(([name, { angles, entangler }]) =>"
        " [name, amplitudes(angles, entangler)]))",
    )
    half = math.sqrt(0.5)
    np.testing.assert_allclose(found["bell"], [half, 0, 0, half], atol=1e-12)
    np.testing.assert_allclose(found["anti"], [0, half, half, 0], atol=1e-12)
    assert entropy_of(found["product"]) == pytest.approx(0, abs=1e-9)
    assert min(np.abs(found["product"])) > 0.1
    assert 0.5 < entropy_of(found["partly"]) < 0.9


@needs_node
def test_measurements_follow_the_probabilities():
    probabilities = [0.5, 0.25, 0.25, 0.0]
    drawn = in_node(
        "two_qubits",
        f"Array.from({{ length: 600 }}, (_, seed) => measure({probabilities}, seed, 100))",
    )
    counts = np.array(drawn)  # (600, 4)
    assert (counts.sum(1) == 100).all()
    assert (counts[:, 3] == 0).all()
    variance = 100 * np.array(probabilities) * (1 - np.array(probabilities))
    error = np.sqrt(variance / len(counts))
    assert (np.abs(counts.mean(0) - 100 * np.array(probabilities)) <= 4 * error).all()
    np.testing.assert_allclose(counts.var(0), variance, rtol=0.25)
    # Neighbouring seeds have nothing to do with each other.
    assert abs(np.corrcoef(counts[:-1, 0], counts[1:, 0])[0, 1]) < 0.15


@needs_node
def test_measurements_are_the_same_for_the_same_seed():
    again = "[measure([0.5, 0, 0, 0.5], 3, 100), measure([0.5, 0, 0, 0.5], 3, 100)]"
    first, second = in_node("two_qubits", again)
    assert first == second
    # Also where rounding has left nothing for the last draws.
    assert in_node("two_qubits", "measure([0, 0.3, 0, 0], 3, 100)") == [0, 100, 0, 0]


@needs_node
def test_angles_are_written_well():
    angles = [0, math.pi / 2, -math.pi, 2 * math.pi / 3, math.radians(-171), 0.3]
    assert in_node("two_qubits", f"{angles}.map(written)") == [
        "0°", "90° = π/2", "−180° = −π", "120° = 2π/3", "−171° ≈ −0.95π", "17.2° ≈ 0.10π",
    ]  # fmt: skip
