"""The figure from angles to a Fourier series, seen from Python, and its arithmetic run in Node."""

import json
import math
import re
from itertools import product

import numpy as np
import pytest
import torch

from tests.course.widget_tools import assert_words_are_used, in_node, needs_node, state_in_html
from vqvae_lib import Circuit
from vqvae_lib.course.widgets import FourierCircuit, base, fourier_circuit
from vqvae_lib.quantum import PennyLane, StateVectorSimulator

SETTINGS = {"initial": "zero", "embedding": "RX", "readout": "Z", "space_layers": 3}
ONCE = Circuit(2, **SETTINGS)
THRICE = Circuit(2, **SETTINGS, reupload=True)


def figure(circuits=None, **changes):
    circuits = {"once": ONCE, "3 times": THRICE} if circuits is None else circuits
    return FourierCircuit(circuits, **({"alt": "A curve and its spectrum."} | changes))


def drawn_circuits():
    """All embeddings with all entanglers, plain, reuploaded and mirrored; the rest is drawn."""
    rng = np.random.default_rng(0)
    starts = [("zero", "RX"), *product(["zero", "superposition"], ["RY", "RY+RZ"])]
    kinds = [{}, {"reupload": True}, {"mirror": True}]
    return [
        Circuit(
            int(rng.integers(1, 5)),
            initial=initial,
            embedding=embedding,
            entangler=entangler,
            gate=str(rng.choice(["CNOT", "CZ"])),
            readout=str(rng.choice(["Z", "ZX"])),
            angle_scale=float(rng.choice([1.0, 0.7, -2.0])),
            encoder_layers=1 if "mirror" in kind else int(rng.integers(0, 3)),
            space_layers=2 if "mirror" in kind else int(rng.integers(1, 4)),
            decoder_layers=1 if "mirror" in kind else int(rng.integers(0, 2)),
            **kind,
        )
        for (initial, embedding), entangler, kind in product(
            starts, ["ring", "brickwork", "none"], kinds
        )
    ]


CIRCUITS = drawn_circuits()


def problem(circuit, seed):
    """Three latent vectors, and weights."""
    generator = torch.Generator().manual_seed(seed)
    draw = {"generator": generator, "dtype": torch.float64}
    z = 2 * torch.randn(3, circuit.latent_dim, **draw)
    return z, math.pi * (2 * torch.rand(circuit.weight_shape, **draw) - 1)


def scripted(circuit, **settings):
    """What the script gets of one circuit: the circuit, and its weights."""
    state = state_in_html(figure({"it": circuit}, **settings))
    return state["circuits"][0], state["weights"][0]


# State and repr -----------------------------------------------------------------------------------


def test_it_has_its_state_and_repr():
    widget = figure(feature=1, coordinate=1, seed=7)
    state = state_in_html(widget)
    assert set(state) == {
        "alt", "chosen", "circuits", "coordinate", "feature", "layer", "qubit", "seed", "weights",
        "words",
    }  # fmt: skip
    assert (state["feature"], state["coordinate"], state["seed"]) == (1, 1, 7)
    assert (state["chosen"], state["layer"], state["qubit"]) == (0, 0, 0)
    assert [part["title"] for part in state["circuits"]] == ["once", "3 times"]
    assert [part["degree"] for part in state["circuits"]] == [1, 3]
    assert np.shape(state["weights"]) == (2, 4, 2, 3)
    assert repr(widget) == ("FourierCircuit(titles=['once', '3 times'], feature=1, coordinate=1)")
    bundle, _ = widget._repr_mimebundle_()
    assert bundle["text/html"].endswith(">A curve and its spectrum.</div>")


def test_a_circuit_is_spelled_out():
    circuit = Circuit(3, space_layers=1, gate="CZ", angle_scale=0.5)
    part, _weights = scripted(circuit)
    assert part == {
        "title": "it",
        "n": 3,
        "initial": "superposition",
        "embedding": ["RY", "RZ"],
        "scale": 0.5,
        "gate": "CZ",
        "operations": [
            ["embed"],
            ["entangle", [[0, 1]]],
            ["rotate", 0],
            ["entangle", [[1, 2]]],
            ["entangle", [[0, 1]]],
            ["rotate", 1],
        ],
        "readout": "ZX",
        "space": 1,
        "degree": 1,
        "z": [0] * 6,
    }


def test_largest_state_stays_small():
    large = Circuit(4, entangler="ring", reupload=True, space_layers=8)
    circuits = {"one": large, "another": large}
    weights = {title: torch.rand(large.weight_shape) for title in circuits}
    bundle, _ = figure(circuits, weights=weights)._repr_mimebundle_()
    assert len(bundle["text/html"].encode()) < 20_000


def test_weights_and_point_are_taken_as_they_are():
    weights = torch.linspace(-3, 3, 24, dtype=torch.float64).reshape(4, 2, 3).requires_grad_()
    widget = figure(weights={"3 times": weights}, z={"once": np.array([0.25, -1.5])})
    assert widget.weights[1] == weights.tolist()
    assert widget.weights[0] == figure().weights[0]
    assert [part["z"] for part in widget.circuits] == [[0.25, -1.5], [0, 0]]


def test_weights_are_taken_modulo_a_turn():
    weights = math.pi * torch.tensor([-3.5, -1.25, 0.0, 0.5, 1.25, 6.5]).double().repeat(4, 1)
    widget = figure(weights={"once": weights.reshape(4, 2, 3)})
    found = np.reshape(widget.weights[0], (4, 6)) / math.pi
    np.testing.assert_allclose(found, np.tile([0.5, 0.75, 0, 0.5, -0.75, 0.5], (4, 1)))


def test_drawn_weights_follow_the_seed_and_lie_on_the_sliders():
    widget = figure(seed=3)
    assert widget.weights == figure(seed=3).weights
    assert widget.weights != figure(seed=4).weights
    assert widget.weights[0] == widget.weights[1]  # of the same shape
    hundredths = 100 * np.array(widget.weights) / math.pi
    np.testing.assert_allclose(hundredths, hundredths.round(), atol=1e-9)
    assert hundredths.min() >= -100
    assert hundredths.max() <= 100
    assert hundredths.std() > 40


@pytest.mark.parametrize(
    ("circuits", "changes", "said"),
    [
        ({}, {}, "circuits: expected at least one, got none"),
        ({"big": Circuit(5)}, {}, r"circuits\['big'\]: expected at most 4 qubits, got 5"),
        (
            {"long": Circuit(1, space_layers=9, reupload=True)},
            {},
            r"circuits\['long'\]: expected at most 8 uploads, got 9",
        ),
        (None, {"feature": 2}, "feature=2: expected a whole number from 0 to 1"),
        (None, {"feature": -1}, "feature=-1: expected a whole number from 0 to 1"),
        (None, {"feature": True}, "feature=True: expected a whole number"),
        (
            {"wide": Circuit(4), "narrow": Circuit(1, embedding="RY")},
            {"coordinate": 1},
            "coordinate=1: expected a whole number from 0 to 0",
        ),
        (None, {"coordinate": 0.5}, "coordinate=0.5: expected a whole number from 0 to 1"),
        (None, {"seed": -1}, "seed=-1: expected a whole number from 0"),
        (None, {"weights": {"twice": [0]}}, r"weights\['twice'\]: no circuit .* \['once', '3"),
        (
            None,
            {"weights": {"once": np.zeros((3, 2, 3))}},
            r"weights\['once'\]: expected shape \(4, 2, 3\), got \(3, 2, 3\)",
        ),
        (
            None,
            {"weights": {"once": torch.full((4, 2, 3), torch.nan)}},
            r"weights\['once'\]: expected finite numbers",
        ),
        (None, {"z": {"once": [0.0]}}, r"z\['once'\]: expected shape \(2,\), got \(1,\)"),
        (None, {"z": {"once": [0.0, math.inf]}}, r"z\['once'\]: expected finite numbers"),
    ],
)
def test_what_does_not_fit_is_named(circuits, changes, said):
    with pytest.raises(ValueError, match=said):
        figure(circuits, **changes)


def test_what_is_no_circuit_is_named():
    with pytest.raises(TypeError, match=r"circuits\['none'\]: expected a Circuit, got dict"):
        figure({"none": {}})


def test_every_text_comes_from_the_catalogue_and_is_used(monkeypatch):
    assert_words_are_used(fourier_circuit, monkeypatch)


def test_the_script_knows_no_rule_of_the_circuit():
    script = base.source("fourier_circuit")
    assert "function evolve" in script
    for word in ("ring", "brickwork", "reupload", "mirror"):
        assert not re.search(rf"\b{word}\b", script), word


# The arithmetic in Node ---------------------------------------------------------------------------


@needs_node
def test_module_is_whole():
    assert in_node("fourier_circuit", "typeof render") == "function"


def test_the_circuits_of_these_tests_have_every_option():
    for name, values in {
        "n_qubits": {1, 2, 3, 4},
        "initial": {"zero", "superposition"},
        "embedding": {"RX", "RY", "RY+RZ"},
        "entangler": {"ring", "brickwork", "none"},
        "gate": {"CNOT", "CZ"},
        "reupload": {False, True},
        "mirror": {False, True},
        "readout": {"Z", "ZX"},
    }.items():
        assert {getattr(circuit, name) for circuit in CIRCUITS} == values


@needs_node
def test_features_are_those_of_the_library_and_of_pennylane():
    problems = [problem(circuit, seed) for seed, circuit in enumerate(CIRCUITS)]
    given = [
        (*scripted(circuit, weights={"it": weights}), z.tolist(), circuit.n_features)
        for circuit, (z, weights) in zip(CIRCUITS, problems, strict=True)
    ]
    found = in_node(
        "fourier_circuit",
        f"{json.dumps(given)}.map(([circuit, weights, points, m]) => points.map((z) =>"
        " Array.from({ length: m }, (_, k) => feature(circuit, weights, z, k))))",
    )
    for circuit, (z, weights), features in zip(CIRCUITS, problems, found, strict=True):
        for backend in (StateVectorSimulator, PennyLane):
            expected = backend(circuit)(z, weights).numpy()
            np.testing.assert_allclose(features, expected, rtol=0, atol=1e-12, err_msg=str(circuit))


@needs_node
def test_weights_modulo_a_turn_give_the_same_feature():
    z, weights = problem(THRICE, 0)
    part, angles = scripted(THRICE, weights={"it": 5 * weights})
    given = f"{json.dumps(part)}, {json.dumps(angles)}, {z[0].tolist()}"
    found = in_node("fourier_circuit", f"feature({given}, 1)")
    assert found == pytest.approx(
        StateVectorSimulator(THRICE)(z, 5 * weights)[0, 1].item(), abs=1e-12
    )


@needs_node
def test_samples_run_through_one_period():
    circuit = Circuit(2, angle_scale=-0.5, reupload=True)
    z, weights = problem(circuit, 0)
    part, angles = scripted(circuit, weights={"it": weights}, z={"it": z[0]})
    found = in_node("fourier_circuit", f"sample({json.dumps(part)}, {json.dumps(angles)}, 2, 1, 9)")
    points = z[:1].repeat(9, 1)
    points[:, 2] = torch.linspace(-2 * math.pi, 2 * math.pi, 10, dtype=torch.float64)[:-1]
    np.testing.assert_allclose(
        found, StateVectorSimulator(circuit)(points, weights)[:, 1], atol=1e-12
    )
    points[:, 2] += 4 * math.pi
    np.testing.assert_allclose(
        found, StateVectorSimulator(circuit)(points, weights)[:, 1], atol=1e-12
    )


@needs_node
@pytest.mark.parametrize("count", [1, 2, 7, 128])
def test_spectrum_is_that_of_numpy(count):
    samples = np.random.default_rng(count).normal(size=count)
    found = in_node("fourier_circuit", f"spectrum({samples.tolist()})")
    np.testing.assert_allclose(found, np.abs(np.fft.rfft(samples)) / count, rtol=0, atol=1e-12)


@needs_node
def test_nothing_lies_beyond_the_degree():
    """For every coordinate and feature; and the degree is reached, where anything can reach it."""
    given = []
    for seed, circuit in enumerate(CIRCUITS):
        z, weights = problem(circuit, seed)
        part, angles = scripted(circuit, weights={"it": weights}, z={"it": z[0]})
        for j, k in product(range(circuit.latent_dim), range(circuit.n_features)):
            given.append((part, angles, j, k))
    found = in_node(
        "fourier_circuit",
        f"{json.dumps(given)}.map((problem) => spectrum(sample(...problem, 24)))",
    )
    reached = {}
    for (part, *_), magnitudes in zip(given, found, strict=True):
        degree = part["degree"]
        assert max(magnitudes[degree + 1 :]) < 1e-12
        reached[degree] = max(magnitudes[degree], reached.get(degree, 0))
    assert set(reached) == {1, 2, 3}
    assert min(reached.values()) > 0.01


def mulberry32(seed):
    """The generator as it was published, on unsigned 32-bit numbers."""
    mask = 0xFFFFFFFF
    state = seed
    while True:
        state = (state + 0x6D2B79F5) & mask
        bits = (state ^ (state >> 15)) * (1 | state) & mask
        bits = (bits + ((bits ^ (bits >> 7)) * (61 | bits) & mask) & mask) ^ bits
        yield (bits ^ (bits >> 14)) / 2**32


@needs_node
@pytest.mark.parametrize("seed", [0, 1, 2**31])
def test_random_angles_follow_their_seed(seed):
    found = in_node("fourier_circuit", f"randomAngles({np.zeros((5, 4, 3)).tolist()}, {seed})")
    uniform = mulberry32(seed)
    expected = [math.pi * math.floor(200 * next(uniform) - 99.5) / 100 for _ in range(60)]
    np.testing.assert_allclose(np.ravel(found), expected, atol=1e-12)
    assert np.shape(found) == (5, 4, 3)
    assert max(map(abs, expected)) <= math.pi
    assert len(set(expected)) > 40
