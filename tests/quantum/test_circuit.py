"""The description of a circuit: what it counts, prints and refuses."""

import dataclasses
import re

import numpy as np
import pytest

from vqvae_lib import Circuit
from vqvae_lib.quantum.circuit import Embed, Entangle, Rotate, Settings
from vqvae_lib.quantum.windows import cones


def test_it_is_a_value_that_cannot_be_changed():
    assert Circuit(4) == Circuit(4, embedding="RY+RZ", readout="ZX")
    assert hash(Circuit(4)) == hash(Circuit(4, embedding="RY+RZ"))
    assert Circuit(4) != Circuit(4, gate="CZ")
    with pytest.raises(dataclasses.FrozenInstanceError):
        Circuit(4).n_qubits = 5
    deeper = dataclasses.replace(Circuit(4), space_layers=5)
    assert deeper.weight_shape == (6, 4, 3)
    assert deeper.latent_dim == 8


@pytest.mark.parametrize(
    ("circuit", "d", "m", "shape"),
    [
        (Circuit(10), 20, 20, (3, 10, 3)),  # the article's VQVAE(784, 400, 20, 10)
        (Circuit(50), 100, 100, (3, 50, 3)),  # and its case of 1000 dimensions
        (Circuit(5, embedding="RY"), 5, 10, (3, 5, 3)),
        (Circuit(5, embedding="RY", readout="Z", space_layers=0), 5, 5, (1, 5, 3)),
        (Circuit.strongly_entangling(6, 4), 6, 6, (4, 6, 3)),
    ],
)
def test_sizes(circuit, d, m, shape):
    assert (circuit.latent_dim, circuit.n_features, circuit.weight_shape) == (d, m, shape)


def test_light_cones_have_the_width_that_counting_gives():
    # One sublayer of neighbours takes in one qubit more on one side: four make at most eight.
    assert max(Circuit(50).light_cone_widths) == 8
    for sublayers in range(1, 7):
        circuit = Circuit(40, encoder_layers=0, space_layers=sublayers, decoder_layers=0)
        # A measured qubit that the last sublayer pairs up gains a neighbour from each sublayer.
        assert max(circuit.light_cone_widths) == 2 * sublayers
    assert set(Circuit(9, entangler="none").light_cone_widths) == {1}
    assert set(Circuit(9, entangler="ring").light_cone_widths) == {9}
    assert list(Circuit(6, encoder_layers=0, space_layers=1, decoder_layers=0).light_cone(3)) == [
        2,
        3,
    ]


@pytest.mark.parametrize(
    "circuit",
    [
        Circuit(1),
        Circuit(9, space_layers=3),
        Circuit(9, mirror=True),
        Circuit(8, reupload=True, encoder_layers=2),
        Circuit(7, entangler="ring", encoder_layers=0, space_layers=1, decoder_layers=0),
        Circuit(7, entangler="none"),
    ],
)
def test_light_cones_are_walks_back_from_each_measurement(circuit):
    for qubit in range(circuit.n_qubits):
        cone = {qubit}
        for operation in reversed(circuit.operations()):
            for pair in reversed(getattr(operation, "pairs", ())):
                if cone.intersection(pair):
                    cone.update(pair)
        assert circuit.light_cone(qubit) == range(min(cone), max(cone) + 1)
        assert circuit.light_cone_widths[qubit] == len(circuit.light_cone(qubit))


def test_a_circuit_is_the_same_value_after_its_cones_were_asked_for():
    asked = Circuit(5)
    assert max(asked.light_cone_widths) > 1
    assert asked == Circuit(5)
    assert hash(asked) == hash(Circuit(5))
    assert repr(asked) == repr(Circuit(5))
    assert dataclasses.replace(asked, entangler="none").light_cone_widths == (1,) * 5


def test_numbers_of_numpy_are_numbers():
    circuit = Circuit(np.int64(4), angle_scale=np.float64(0.5))
    assert circuit == Circuit(4, angle_scale=0.5)
    assert {type(circuit.n_qubits), type(circuit.latent_dim)} == {int}
    assert Circuit.for_latent(np.int64(8), np.int64(4)) == Circuit.for_latent(8, 4)
    assert type(circuit.angle_scale) is float


def test_a_qubit_that_is_not_there_has_no_cone():
    for qubit in (-1, 4):
        with pytest.raises(ValueError, match=f"qubit={qubit}: expected a whole number from 0 to 3"):
            Circuit(4).light_cone(qubit)


def test_it_prints_what_it_does():
    said = str(Circuit(4, angle_scale=0.3, mirror=True))
    assert "4 qubits in uniform superposition, 8 latent coordinates -> 8 features" in said
    assert "RY(0.3 z[2i]) RZ(0.3 z[2i+1])" in said
    assert "mirrored" in said
    said = str(Circuit.strongly_entangling(1, 2, reupload=True))
    assert "1 qubit in |0...0>, 1 latent coordinate -> 1 feature" in said
    assert "RX(1 z[i]) on each qubit, before each layer of the space" in said
    assert "2 x (Rot on each qubit, ring layer of CNOT)" in said
    assert "Rot on each qubit)" not in str(Circuit(3, entangler="none")).split("readout")[0]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"n_qubits": 0}, "n_qubits=0: expected a whole number of at least 1"),
        ({"n_qubits": 2.0}, "n_qubits=2.0: expected a whole number"),
        ({"n_qubits": True}, "n_qubits=True: expected a whole number"),
        ({"space_layers": -1}, "space_layers=-1: expected a whole number of at least 0"),
        ({"encoder_layers": "1"}, "encoder_layers='1': expected a whole number"),
        ({"initial": "plus"}, "initial='plus': expected one of 'superposition', 'zero'"),
        ({"embedding": "RZ"}, "embedding='RZ': expected one of 'RY', 'RX', 'RY+RZ'"),
        ({"entangler": "all"}, "entangler='all': expected one of 'ring', 'brickwork', 'none'"),
        ({"reupload": 1}, "reupload=1: expected one of False, True"),
        ({"mirror": "yes"}, "mirror='yes': expected one of False, True"),
        ({"gate": "CY"}, "gate='CY': expected one of 'CNOT', 'CZ'"),
        ({"readout": "X"}, "readout='X': expected one of 'Z', 'ZX'"),
        ({"angle_scale": 0.0}, "angle_scale=0.0 turns every coordinate into the angle 0"),
        ({"angle_scale": float("nan")}, "angle_scale=nan: expected a finite number"),
        ({"angle_scale": "1"}, "angle_scale='1': expected a finite number"),
        ({"angle_scale": True}, "angle_scale=True: expected a finite number"),
        ({"reupload": True, "space_layers": 0}, "and space_layers=0: expected at least 1"),
        ({"embedding": "RX"}, "embedding='RX' does nothing on initial='superposition': H|0⟩ is an"),
        ({"embedding": "RX"}, "of RX, so all data would be lost. Use embedding='RY'"),
        ({"embedding": "RX", "reupload": True}, "of RX, so the first upload would be lost."),
        (
            {"n_qubits": 10**6},
            "n_qubits=1000000 times 8 layers of rotations and entangling gates",
        ),
        ({"space_layers": 10**9}, "are 10000000020 places for gates: expected at most 1000000"),
        ({"reupload": True, "encoder_layers": 400, "space_layers": 500}, "are 1007510 places"),
        ({"space_layers": 0, "decoder_layers": 0}, "leave no trainable gate"),
        ({"mirror": True, "reupload": True}, "mirror=True does not fit: with reupload=True"),
        ({"mirror": True, "space_layers": 3}, "is odd: expected an even sum"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(options, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        Circuit(**({"n_qubits": 5} | options))


def test_the_recommended_circuit_returns_as_many_features_as_it_takes_coordinates():
    """What it is, setting by setting; and mirrored only where entangling layers pair up."""
    one, two = Circuit.for_latent(5, 5), Circuit.for_latent(10, 5)
    assert one == Circuit(5, embedding="RY", readout="Z", angle_scale=0.3, mirror=True)
    assert two == Circuit(5, embedding="RY+RZ", readout="ZX", angle_scale=0.3, mirror=True)
    assert (one.latent_dim, one.n_features, two.latent_dim, two.n_features) == (5, 5, 10, 10)
    assert not Circuit.for_latent(10, 5, space_layers=3).mirror
    assert not Circuit.for_latent(10, 5, reupload=True).mirror
    assert not Circuit.for_latent(10, 5, mirror=False).mirror
    own = Circuit.for_latent(5, 5, initial="zero", embedding="RX", angle_scale=1.0, readout="ZX")
    assert (own.embedding, own.angle_scale, own.readout) == ("RX", 1.0, "ZX")


@pytest.mark.parametrize(
    ("arguments", "options", "error", "told"),
    [
        ((7, 5), {}, ValueError, "latent_dim=7 does not fit 5 qubits: expected 5 (one coordinate"),
        ((5.0, 5), {}, ValueError, "latent_dim=5.0: expected a whole number"),
        ((5, 0), {}, ValueError, "n_qubits=0: expected a whole number"),
        (
            (10, 5),
            {"embedding": "RY"},
            ValueError,
            "embedding='RY' on 5 qubits takes 5 coordinates: expected latent_dim=5, got 10",
        ),
        ((5, 5), {"readuot": "Z"}, TypeError, "readuot: expected a setting of Circuit: ['angle_s"),
        ((5, 5), {"mirror": True, "space_layers": 3}, ValueError, "is odd: expected an even sum"),
    ],
)
def test_no_circuit_is_recommended_for_what_does_not_fit(arguments, options, error, told):
    with pytest.raises(error, match=re.escape(told)):
        Circuit.for_latent(*arguments, **options)


# ------------------------------------------------------------------------------------ operations


def spell(operations):
    """Name operations briefly: E, R0, R1, … and the pairs of each entangling layer."""
    names = {Embed: lambda x: "E", Rotate: lambda x: f"R{x.row}", Entangle: lambda x: x.pairs}
    return [names[type(x)](x) for x in operations]


def test_the_order_of_operations_written_out_by_hand():
    even, odd = ((0, 1), (2, 3)), ((1, 2),)
    assert spell(Circuit(4).operations()) == ["E", even, "R0", odd, "R1", even, odd, "R2"]
    again = Circuit(4, reupload=True, space_layers=2, decoder_layers=0)
    assert spell(again.operations()) == ["E", even, "R0", odd, "E", even, "R1", odd]
    one, two = ((0, 1), (1, 2), (2, 0)), ((0, 2), (1, 0), (2, 1))
    ring = Circuit(3, entangler="ring", space_layers=2, decoder_layers=1)
    assert spell(ring.operations()) == ["E", one, "R0", one, "R1", two, one, "R2"]


def test_mirrored_layers_are_undone_from_the_last_to_the_first():
    one, back = ((0, 1), (1, 2), (2, 0)), ((2, 0), (1, 2), (0, 1))
    ring = Circuit(3, entangler="ring", mirror=True)
    assert spell(ring.operations()) == ["E", one, "R0", one, "R1", back, back, "R2"]
    layer = Entangle(((0, 1), (1, 2)), "CZ")
    assert layer.inverse() == Entangle(((1, 2), (0, 1)), "CZ")
    bricks = Circuit(4, mirror=True, space_layers=2)
    layers = [x for x in bricks.operations() if isinstance(x, Entangle)]
    assert [x.inverse() for x in reversed(layers)] == layers


@pytest.mark.parametrize("reupload", [False, True])
def test_the_three_parts_are_the_whole(reupload):
    circuit = Circuit(4, encoder_layers=2, space_layers=3, reupload=reupload, gate="CZ")
    parts = [circuit.operations(part) for part in ("encoder", "space", "decoder")]
    assert [x for part in parts for x in part] == circuit.operations()
    assert [sum(isinstance(x, Embed) for x in part) for part in parts] == [1, 2 * reupload, 0]
    assert {x.gate for x in circuit.operations() if isinstance(x, Entangle)} == {"CZ"}
    with pytest.raises(ValueError, match="part='middle': expected one of 'encoder', 'space'"):
        circuit.operations("middle")


def test_operations_know_their_gates_and_angles():
    assert Circuit(2, angle_scale=-0.5).operations()[0] == Embed(("RY", "RZ"), -0.5)
    assert Circuit(2, embedding="RY").operations("encoder")[0] == Embed(("RY",), 1.0)
    assert spell(Circuit(2, entangler="none").operations()) == ["E", "R0", "R1", "R2"]
    assert spell(Circuit(1).operations()) == ["E", "R0", "R1", "R2"]


def test_an_entangling_layer_refuses_what_is_no_two_qubit_gate():
    with pytest.raises(ValueError, match=r"pairs holds \(2, 2\): expected two different qubits"):
        Entangle(((0, 1), (2, 2)))
    with pytest.raises(ValueError, match="gate='CY': expected one of 'CNOT', 'CZ'"):
        Entangle(((0, 1),), "CY")


@pytest.mark.parametrize(
    ("make", "error", "told"),
    [
        (lambda: Embed("RY", 1.0), TypeError, "gates is a str: expected names of rotations"),
        (lambda: Embed((), 1.0), ValueError, "gates has 0 items: expected names of rotations"),
        (lambda: Embed(("RY", "H"), 1.0), ValueError, "gates[1]='H': expected one of 'RX', 'RY'"),
        (lambda: Embed(("RY",), float("inf")), ValueError, "scale=inf: expected a finite number"),
        (lambda: Rotate(-1), ValueError, "row=-1: expected a whole number of at least 0"),
        (lambda: Rotate(1.0), ValueError, "row=1.0: expected a whole number"),
        (lambda: Entangle(3), TypeError, "pairs is a int: expected pairs of qubits"),
        (lambda: Entangle(((0, 1, 2),)), ValueError, "pairs holds a tuple: expected pairs of qub"),
        (lambda: Entangle(((0, -1),)), ValueError, "a qubit of pairs=-1: expected a whole number"),
    ],
)
def test_operations_check_themselves(make, error, told):
    with pytest.raises(error, match=re.escape(told)):
        make()


def test_operations_are_values_of_pythons_own_numbers():
    assert Entangle([[np.int64(0), 1]]) == Entangle(((0, 1),))
    assert hash(Entangle([[0, 1]])) == hash(Entangle(((0, 1),)))
    assert Embed(["RY"], np.float32(0.5)) == Embed(("RY",), 0.5)
    assert type(Rotate(np.int64(2)).row) is int


def test_the_settings_are_those_of_the_fields():
    names = [field.name for field in dataclasses.fields(Circuit)]
    assert list(Settings.__annotations__) == names[1:]


def test_ten_thousand_qubits_are_cut_up_in_time_that_grows_with_their_number():
    """Every gate is looked at by the windows that hold it, and by no other."""
    circuit = Circuit(10_000)
    windows = cones(circuit)
    assert len(windows) == 5001
    gates = sum(len(o.pairs) for w in windows for o in w.operations if isinstance(o, Entangle))
    assert gates < 20 * len(windows)
