"""The plane of a hybrid model, seen from Python, and its arithmetic run in Node."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

import vqvae_lib as vq
from tests.course.widget_tools import assert_words_are_used, in_node, needs_node, state_in_html
from vqvae_lib.course.widgets import LatentPlanes, QuantumPlane, latent_plane, quantum_plane
from vqvae_lib.likelihoods import Bernoulli, Binomial, Gaussian, Likelihood
from vqvae_lib.quantum.statevector import StateVectorSimulator, bloch_vectors

# Each has another circuit, or another way from the features to the image.
CASES = {
    "the course's": {},
    "brickwork": {"entangler": "brickwork", "gate": "CZ", "angle_scale": 1.2},
    "brickwork of CNOT": {"encoder_layers": 2, "readout": "ZX", "angle_scale": 1.2},
    "ring": {"entangler": "ring", "likelihood": Gaussian(), "angle_scale": 2.0},
    "ring of CZ": {"entangler": "ring", "gate": "CZ", "readout": "ZX", "scale_features": False},
    "none": {"entangler": "none", "likelihood": Bernoulli(), "scale_features": False},
    "reuploaded": {"entangler": "ring", "reupload": True, "angle_scale": -0.7},
    "RX from zero": {"initial": "zero", "embedding": "RX", "space_layers": 3, "readout": "ZX"},
    "RY from zero": {"initial": "zero", "embedding": "RY", "activation": "relu"},
    "separable": {"bottleneck": "separable", "entangler": "ring"},
    "frozen": {"bottleneck": "frozen", "activation": "tanh"},
    "one qubit": {"n_qubits": 1},
    "one qubit from zero": {"n_qubits": 1, "initial": "zero", "readout": "Z"},
    "one qubit, unscaled": {"n_qubits": 1, "scale_features": False, "activation": "silu"},
}


def drawn(seed=0, n_qubits=2, latent_dim=2, **settings):
    """A model in double precision whose decoder float16 holds exactly; all its numbers drawn."""
    torch.manual_seed(seed)
    settings = {"likelihood": Binomial(16), "init": "random"} | settings
    model = vq.VQVAE(64, 16, latent_dim, n_qubits, **settings).double()
    with torch.no_grad():
        for parameter in model.bottleneck.parameters():
            parameter.uniform_(-math.pi, math.pi)
    model.decoder.half().double()
    return model


def figure(model, n=40, **changes):
    generator = torch.Generator().manual_seed(0)
    settings = {
        "codes": torch.randn(n, 2, generator=generator),
        "labels": torch.arange(n) % 10,
        "image_shape": (8, 8),
        "alt": "A plane, qubits and a digit.",
    } | changes
    return QuantumPlane(model, settings.pop("codes"), settings.pop("labels"), **settings)


# State and repr -----------------------------------------------------------------------------------


def test_it_has_its_state_and_repr():
    model = drawn()
    widget = figure(model)
    state = state_in_html(widget)
    assert set(state) == {
        "alt", "circuit", "codes", "extent", "feature_scale", "image_shape", "layers", "prior",
        "weights", "words", "z",
    }  # fmt: skip
    assert state["weights"] == model.quantum_layer.weights.tolist()
    assert state["feature_scale"] == model.bottleneck.scale.tolist()
    assert state["circuit"]["n"] == 2
    assert state["layers"][-1]["activation"] == "sigmoid"  # of the likelihood's mean
    assert "prior" not in state_in_html(figure(model, prior=False))
    assert repr(widget) == "QuantumPlane(image_shape=[8, 8])"
    bundle, _ = widget._repr_mimebundle_()
    assert bundle["text/html"].endswith(">A plane, qubits and a digit.</div>")


def test_features_without_a_scale_are_taken_as_they_are():
    state = state_in_html(figure(drawn(scale_features=False, readout="ZX")))
    assert state["feature_scale"] == [1, 1, 1, 1]


def test_a_twin_shows_its_own_circuit():
    model = drawn(bottleneck="separable", entangler="ring")
    kinds = [operation[0] for operation in state_in_html(figure(model))["circuit"]["operations"]]
    assert "entangle" not in kinds


def test_state_stays_small():
    model = vq.VQVAE(64, 128, 2, 2, readout="ZX")  # a decoder 4-128-64
    bundle, _ = figure(model, n=5000)._repr_mimebundle_()
    assert len(bundle["text/html"].encode()) < 40_000


class Poisson(Likelihood):
    """One that the figure does not know."""

    param_names = ("log_rate",)

    def log_prob(self, x, params):
        return x * params - params.exp() - torch.lgamma(x + 1)

    def mean(self, params):
        return params.exp()

    def sample(self, params, *, generator=None):
        return torch.poisson(params.exp(), generator=generator)


@pytest.mark.parametrize(
    ("model", "changes", "said"),
    [
        ({"latent_dim": 4}, {}, "model: expected latent_dim=2, a point of the plane, got 4"),
        ({"condition": vq.Labels(10)}, {}, r"without a condition, got Labels\(n_classes=10\)"),
        ({"condition": vq.Numbers(3)}, {}, r"without a condition, got Numbers\(dim=3\)"),
        (
            {"likelihood": Gaussian("per_dimension")},
            {},
            r"one number for each pixel .*\(variance='per_dimension'",
        ),
        ({"likelihood": Poisson()}, {}, r"\(Bernoulli, Binomial, Gaussian\), got Poisson"),
        ({"image_shape": (8, 8)}, {}, "decoder: cannot run ConvDecoder here"),
        ({"activation": "softplus"}, {}, "decoder: cannot run Softplus here"),
        ({}, {"image_shape": (28, 28)}, "decoder: expected 2 inputs and 28·28 outputs, got 2 and"),
        ({}, {"codes": torch.zeros(40, 3)}, r"codes, labels: .* got \(40, 3\)"),
        ({}, {"extent": (1, 1, 0, 2)}, r"extent=\[1.0, 1.0, 0.0, 2.0\]: expected"),
    ],
)
def test_what_does_not_fit_is_named(model, changes, said):
    model = drawn(**model)
    with pytest.raises(ValueError, match=said):
        figure(model, **changes)


def test_numbers_that_are_not_finite_are_named():
    for part, said in (("weights", "model: angles"), ("scale", "model: scale of features")):
        model = drawn()
        numbers = model.quantum_layer.weights if part == "weights" else model.bottleneck.scale
        numbers.data[0] = math.nan
        with pytest.raises(ValueError, match=f"{said}: expected finite numbers"):
            figure(model)


def test_what_is_no_hybrid_model_is_named():
    with pytest.raises(TypeError, match="model: expected a VQVAE, got Linear"):
        figure(nn.Linear(2, 64))
    with pytest.raises(TypeError, match=r"model: expected a VQVAE with a circuit, .* is 'mlp'"):
        figure(drawn(bottleneck="mlp"))
    with pytest.raises(TypeError, match=r"planes\['it'\]: expected a LatentPlane, got Quantum"):
        LatentPlanes({"it": figure(drawn())}, alt="One that has qubits, too.")


def test_every_text_comes_from_the_catalogue_and_is_used(monkeypatch):
    monkeypatch.setattr(latent_plane, "_", lambda message: f"translated {message}")
    assert_words_are_used(quantum_plane, monkeypatch)


# The arithmetic in Node ---------------------------------------------------------------------------


def passed(state, points):
    """What the script makes of points: for each the vectors, the features and the image."""
    parts = {"circuit": state["circuit"], "weights": state["weights"]}
    parts |= {"scale": state["feature_scale"]}
    return in_node(
        "quantum_plane",
        f"{json.dumps(points)}.map((z) => {{ const found = pass({{ ...{json.dumps(parts)},"
        f" network: unpack({json.dumps(state['layers'])}) }}, z);"
        " return { ...found, image: [...found.image] }; })",
    )


POINTS = [[0.0, 0.0], [0.7, -1.3], [-2.5, 0.4], [1.9, 3.1]]


@needs_node
@pytest.mark.parametrize("case", CASES)
def test_all_that_is_shown_is_the_library_s(case):
    model = drawn(seed=list(CASES).index(case), **CASES[case])
    z = torch.tensor(POINTS, dtype=torch.float64)
    layer = model.quantum_layer
    with torch.no_grad():
        state = StateVectorSimulator(layer.circuit).state(z, layer.weights)
        expected = {
            "vectors": bloch_vectors(state),  # (B, n, 3)
            "features": layer(z),  # (B, m)
            "image": model.likelihood.mean(model.decode(z)),  # (B, D)
        }
    found = passed(state_in_html(figure(model)), POINTS)
    for name, values in expected.items():
        shown = [point[name] for point in found]
        np.testing.assert_allclose(shown, values, rtol=0, atol=1e-9, err_msg=name)


def test_the_cases_reach_entangled_and_pure_qubits():
    shortest = {}
    for seed, (case, settings) in enumerate(CASES.items()):
        layer = drawn(seed=seed, **settings).quantum_layer
        z = torch.tensor(POINTS, dtype=torch.float64)
        with torch.no_grad():
            state = StateVectorSimulator(layer.circuit).state(z, layer.weights)
        shortest[case] = bloch_vectors(state).norm(dim=2).min().item()
    assert min(shortest.values()) < 0.4
    pure = {case for case, length in shortest.items() if length > 1 - 1e-9}
    # A ring of two qubits has two gates on the same pair: two CZ undo each other.
    assert pure - {case for case in CASES if "one qubit" in case} == {
        "ring of CZ", "none", "separable",
    }  # fmt: skip


@needs_node
def test_a_model_in_single_precision_agrees_too():
    torch.manual_seed(0)
    model = vq.VQVAE(64, 128, 2, 2, likelihood=Binomial(16))
    model.decoder.half().float()
    found = passed(state_in_html(figure(model)), POINTS)
    with torch.no_grad():
        images = model.likelihood.mean(model.decode(torch.tensor(POINTS)))
    np.testing.assert_allclose([point["image"] for point in found], images, rtol=0, atol=1e-5)
