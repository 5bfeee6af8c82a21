"""The Bloch sphere, seen from Python, and its arithmetic run in Node."""

import json
import math

import numpy as np
import pennylane as qml
import pytest
import traitlets

from tests.course.widget_tools import assert_words_are_used, in_node, needs_node, state_in_html
from vqvae_lib.course.widgets import BlochSphere, bloch_sphere

FIXED = {
    "H": qml.Hadamard, "X": qml.PauliX, "Y": qml.PauliY, "Z": qml.PauliZ, "S": qml.S, "T": qml.T,
}  # fmt: skip
TURNS = {"RX": qml.RX, "RY": qml.RY, "RZ": qml.RZ}
PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


def state_of(gates):
    """PennyLane's state behind [name, degrees] pairs, by complex amplitudes (2,)."""

    @qml.qnode(qml.device("default.qubit", wires=1))
    def circuit():
        for name, degrees in gates:
            if name in FIXED:
                FIXED[name](wires=0)
            else:
                TURNS[name](math.radians(degrees), wires=0)
        return qml.state()

    return np.array(circuit())


def bloch_of(state):
    """⟨X⟩, ⟨Y⟩ and ⟨Z⟩ of amplitudes (2,)."""
    return np.einsum("i,kij,j->k", state.conj(), PAULI, state).real


def drawn_gates(seed, count):
    rng = np.random.default_rng(seed)
    names = rng.choice([*FIXED, *TURNS], count)
    return [[str(n), 0 if n in FIXED else float(rng.uniform(-180, 180))] for n in names]


CASES = [
    [],
    *([[name, 0]] for name in FIXED),
    *([[name, degrees]] for name in TURNS for degrees in (-180, -35, 0, 90, 180)),
    *(drawn_gates(seed, count) for seed, count in enumerate([2, 3, 5, 8, 13, 24, 24, 24])),
]


def sphere(**changes):
    return BlochSphere(**({"alt": "A sphere with an arrow."} | changes))


# State and repr -----------------------------------------------------------------------------------


def test_it_has_its_state_and_repr():
    widget = sphere(gates=[("H", 0), ("RZ", 90)], angle=-45)
    state = state_in_html(widget)
    assert set(state) == {"alt", "angle", "gates", "words"}
    assert state["gates"] == [["H", 0], ["RZ", 90]]
    assert state["angle"] == -45
    assert repr(widget) == "BlochSphere(gates=[['H', 0], ['RZ', 90]], angle=-45)"
    assert repr(sphere()) == "BlochSphere(gates=[], angle=90)"
    bundle, _ = widget._repr_mimebundle_()
    assert bundle["text/html"].endswith(">A sphere with an arrow.</div>")


def test_gates_are_taken_as_people_write_them():
    gates = ["H", ("T", 0), ["RX", np.float64(22.5)], ("RY", np.int64(-30)), ("RZ", 180.0)]
    expected = [["H", 0], ["T", 0], ["RX", 22.5], ["RY", -30], ["RZ", 180]]
    widget = sphere(gates=gates)
    assert state_in_html(widget)["gates"] == expected
    assert repr(widget) == f"BlochSphere(gates={expected}, angle=90)"


def test_fullest_figure_stays_small():
    bundle, _ = sphere(gates=[("RX", -122.5)] * 24, angle=-180)._repr_mimebundle_()
    assert len(bundle["text/html"].encode()) < 5_000


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"angle": 185}, "angle=185: expected a multiple of 5 degrees from -180 to 180"),
        ({"angle": 92}, "angle=92: expected a multiple of 5"),
        ({"angle": float("nan")}, "angle=nan: expected"),
        ({"angle": "90"}, "angle='90': expected"),
        ({"gates": ["H"] * 25}, "gates: got 25 of them, expected at most 24"),
        ({"gates": "HS"}, r"gates='HS': expected a sequence of gates, such as \['HS'\]"),
        ({"gates": ["H", "CNOT"]}, r"gates\[1\]='CNOT': expected one of H, X, Y, Z, S, T, or"),
        ({"gates": [("H", 90)]}, r"gates\[0\]=\('H', 90\): expected"),
        ({"gates": ["RX"]}, r"gates\[0\]='RX': .* a pair of one of RX, RY, RZ and its angle"),
        ({"gates": [("RX", 181)]}, r"gates\[0\]=\('RX', 181\): .* from -180 to 180 degrees"),
        ({"gates": [("RX", "90")]}, r"gates\[0\]=\('RX', '90'\): expected"),
        ({"gates": [("RX", True)]}, r"gates\[0\]=\('RX', True\): expected"),
        ({"gates": [("RX", 1, 2)]}, r"gates\[0\]=\('RX', 1, 2\): expected"),
        ({"gates": [3]}, r"gates\[0\]=3: expected"),
    ],
)
def test_what_is_no_gate_is_named(changes, said):
    with pytest.raises(ValueError, match=said):
        sphere(**changes)


def test_it_stays_in_range_later():
    widget = sphere()
    widget.gates = ["H", ("RX", 30)]
    assert widget.gates == [["H", 0], ["RX", 30]]
    with pytest.raises(ValueError, match=r"gates\[0\]='Q': expected"):
        widget.gates = ["Q"]
    with pytest.raises(traitlets.TraitError):
        widget.angle = 200
    assert (widget.gates, widget.angle) == ([["H", 0], ["RX", 30]], 90)


def test_every_text_comes_from_the_catalogue_and_is_used(monkeypatch):
    assert_words_are_used(bloch_sphere, monkeypatch, {*FIXED, *TURNS})  # words[name]


# Arithmetic in Node -------------------------------------------------------------------------------


@needs_node
def test_browser_and_python_share_gates_and_borders():
    found = in_node("bloch_sphere", "[Object.keys(GATES), LIMIT, LOW, HIGH, STEP]")
    shared = [bloch_sphere.LIMIT, *bloch_sphere.ANGLE, bloch_sphere.STEP]
    assert found == [[*bloch_sphere.FIXED, *bloch_sphere.TURNS], *shared]


@needs_node
def test_amplitudes_and_bloch_vectors_are_those_of_pennylane():
    """The global phase too."""
    found = in_node("bloch_sphere", f"{json.dumps(CASES)}.map((g) => [run(g), bloch(run(g))])")
    for gates, (parts, vector) in zip(CASES, found, strict=True):
        expected = state_of(gates)
        amplitudes = np.array(parts).reshape(2, 2) @ [1, 1j]
        np.testing.assert_allclose(amplitudes, expected, atol=1e-12, err_msg=str(gates))
        np.testing.assert_allclose(vector, bloch_of(expected), atol=1e-12, err_msg=str(gates))


@needs_node
def test_paths_are_arcs_that_end_where_the_gate_leads():
    """Sampled as they are drawn: a part of a gate is the turn by that part of its angle."""
    parts = [0, 0.25, 0.5, 0.75, 1]
    sampled = (
        f"{json.dumps(CASES)}.filter((g) => g.length).map((g) => {parts}.map((part) => "
        "bloch(rotate(run(g.slice(0, -1)), GATES[g.at(-1)[0]].axis, part * radiansOf(g.at(-1))))))"
    )
    for gates, arc in zip(CASES[1:], in_node("bloch_sphere", sampled), strict=True):
        arc = np.array(arc)  # (5, 3)
        np.testing.assert_allclose(np.linalg.norm(arc, axis=1), 1, atol=1e-12)
        ends = np.array([bloch_of(state_of(gates[:-1])), bloch_of(state_of(gates))])
        np.testing.assert_allclose(arc[[0, -1]], ends, atol=1e-12, err_msg=str(gates))
        # Even steps in a plane across the axis.
        steps = np.diff(arc, axis=0)
        lengths = np.linalg.norm(steps, axis=1)
        np.testing.assert_allclose(lengths, lengths[0], atol=1e-12)
        assert np.linalg.matrix_rank(steps, tol=1e-9) <= 2
        name, degrees = gates[-1]
        if name in TURNS:
            halfway = bloch_of(state_of([*gates[:-1], [name, degrees / 2]]))
            np.testing.assert_allclose(arc[2], halfway, atol=1e-12)


def seen_from(azimuth, elevation):
    """Rows: the directions to the right, up, and towards the eye."""
    a, e = math.radians(azimuth), math.radians(elevation)
    near = np.array([math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e)])
    right = np.array([-math.sin(a), math.cos(a), 0])
    return np.stack([right, np.cross(near, right), near])


@needs_node
def test_view_is_a_turn_of_the_eye_around_the_sphere():
    for azimuth, elevation in [(0, 0), (32, 18), (-250, 90), (111, -40)]:
        view = json.dumps({"azimuth": azimuth, "elevation": elevation})
        found = in_node("bloch_sphere", f"[X, Y, Z].map((axis) => project(axis, {view}))")
        np.testing.assert_allclose(np.array(found).T, seen_from(azimuth, elevation), atol=1e-12)


@needs_node
def test_curves_are_cut_at_the_border_of_the_back():
    near = [[0, 0, 1], [1, 0, 0.5], [2, 0, -0.5], [3, 0, -1], [4, 0, 0]]
    found = in_node("bloch_sphere", f"pieces({near})")
    assert [piece["back"] for piece in found] == [False, True, False]
    assert [[x for x, *_ in piece["points"]] for piece in found] == [[0, 1], [1, 2, 3], [3, 4]]


@needs_node
def test_angles_and_amplitudes_are_written_well():
    angles = [0, 90, 180, -180, -90, 135, -120, 60, 30, 15, -165, 5, -65, 22.5]
    space = "\u00a0"
    assert in_node("bloch_sphere", f"{angles}.map(written)") == [
        said.replace(" ", space)
        for said in (
            "0°", "90° = π/2", "180° = π", "−180° = −π", "−90° = −π/2", "135° = 3π/4",
            "−120° = −2π/3", "60° = π/3", "30° = π/6", "15° = π/12", "−165° = −11π/12",
            "5° ≈ 0.028π", "−65° ≈ −0.361π", "22.5° = π/8",
        )
    ]  # fmt: skip
    said = "[complex(0.5, -0.70711), complex(-1, 0), complex(-1e-9, -1e-9), complex(0, 1)]"
    assert in_node("bloch_sphere", said) == [
        "0.500 − 0.707i", "−1.000 + 0.000i", "0.000 + 0.000i", "0.000 + 1.000i",
    ]  # fmt: skip
