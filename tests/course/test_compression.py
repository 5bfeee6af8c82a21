"""The figure of compression, seen from Python, and its arithmetic run in Node."""

import base64
import json
import math

import numpy as np
import pytest
import torch

import vqvae_lib as vq
from tests.course.widget_tools import assert_words_are_used, in_node, needs_node, state_in_html
from vqvae_lib.course.widgets import Compression, compression

TRAINED = {2: [(1, 0.7)], 3: [(12, 0.822), (4, 0.75)]}


def unit(x):
    return x.double() / x.double().norm(dim=1, keepdim=True)


DIGITS = vq.load_digits()
STATES, SHOWN = unit(DIGITS.x_train), unit(DIGITS.x_test[:8])


def figure(states=STATES, shown=SHOWN, **changes):
    given = {"image_shape": (8, 8), "alt": "Digits and what is left of them.", "trained": TRAINED}
    return Compression(states, shown, **(given | changes))


def unpacked(text, D=64):
    """Rows of numbers that float16 bytes hold, in full precision."""
    return np.frombuffer(base64.b64decode(text), "<f2").reshape(-1, D).astype(float)


def rho(states=STATES):
    x = np.asarray(states, float)
    return x.T @ x / len(x)


# State and repr -----------------------------------------------------------------------------------


def test_it_has_its_state_and_repr():
    widget = figure(kept=4)
    state = state_in_html(widget)
    assert set(state) == {
        "alt", "eigenvalues", "eigenvectors", "image_shape", "images", "kept", "trained", "words",
    }  # fmt: skip
    assert (state["kept"], state["image_shape"]) == (4, [8, 8])
    assert state["trained"] == [[2, 1, 0.7], [3, 12, 0.822], [3, 4, 0.75]]
    np.testing.assert_array_equal(unpacked(state["images"]), SHOWN.half().double())
    assert repr(widget) == "Compression(n_qubits=6, kept=4, image_shape=[8, 8])"
    bundle, _ = widget._repr_mimebundle_()
    assert bundle["text/html"].endswith(">Digits and what is left of them.</div>")
    assert state_in_html(figure(kept=0, trained=None))["kept"] == 0
    assert state_in_html(figure(trained=None))["trained"] == []


def test_eigenvalues_and_vectors_are_those_of_the_mean_state():
    state = state_in_html(figure())
    values = np.array(state["eigenvalues"])
    np.testing.assert_allclose(values, np.linalg.eigvalsh(rho())[::-1], rtol=1e-8, atol=1e-12)
    assert (np.diff(values) <= 0).all()
    blank = int((STATES == 0).all(0).sum())  # pixels that no digit has
    assert blank >= 3
    assert values[-blank:].tolist() == [0] * blank
    vectors = unpacked(state["eigenvectors"])
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(64), atol=2e-3)
    np.testing.assert_allclose(vectors @ rho() @ vectors.T, np.diag(values), atol=1e-3)


def test_signs_do_not_depend_on_those_of_the_data():
    state = state_in_html(figure())
    vectors = unpacked(state["eigenvectors"])
    assert (vectors[np.arange(64), np.abs(vectors).argmax(1)] > 0).all()
    assert state_in_html(figure(-STATES)) == state
    flipped = STATES.clone()
    flipped[::3] *= -1
    np.testing.assert_allclose(
        unpacked(state_in_html(figure(flipped))["eigenvectors"])[:50], vectors[:50], atol=1e-3
    )


def test_rows_in_lower_precision_are_taken():
    exact = np.array(state_in_html(figure())["eigenvalues"])
    for rows, near in ((STATES.float(), 1e-8), (STATES.half(), 1e-4), (STATES.numpy(), 1e-12)):
        values = state_in_html(figure(rows))["eigenvalues"]
        np.testing.assert_allclose(values, exact, rtol=0, atol=near)
        assert sum(values) == pytest.approx(1, abs=1e-7)


def test_largest_state_stays_small():
    generator = torch.Generator().manual_seed(0)
    rows = unit(torch.rand(300, 128, generator=generator))
    trained = {k: [(layers, 0.1) for layers in range(10)] for k in range(8)}
    widget = figure(rows, rows[:12], image_shape=(8, 16), trained=trained)
    assert len(widget._repr_mimebundle_()[0]["text/html"].encode()) < 60_000
    assert len(figure()._repr_mimebundle_()[0]["text/html"].encode()) < 20_000


def test_one_qubit_is_enough():
    rows = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    widget = figure(rows, rows, image_shape=(1, 2), kept=1, trained={0: [(3, 0.5)]})
    assert widget.n_qubits == 1
    np.testing.assert_allclose(widget.eigenvalues, np.linalg.eigvalsh(rho(rows))[::-1])


def test_kept_stays_in_range_also_later():
    widget = figure()
    widget.kept = 6
    for value in (7, -1):
        with pytest.raises(ValueError, match=f"kept={value}: expected a whole number from 0 to 6"):
            widget.kept = value
    assert widget.kept == 6


def changed(rows, row, value):
    rows = rows.clone()
    rows[row] = value
    return rows


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"states": STATES[0]}, r"states: expected shape \(rows, D\), got \(64,\)"),
        ({"states": STATES[:0]}, r"states: expected shape \(rows, D\), got \(0, 64\)"),
        ({"states": STATES + 0j}, "states: expected real numbers, got torch.complex128"),
        ({"states": unit(STATES[:, :60])}, r"states: expected D = 2\^n .* 1 to 7 .*got D = 60"),
        ({"states": torch.eye(1)}, r"states: expected D = 2\^n pixels .* got D = 1"),
        ({"states": torch.eye(256)}, r"states: expected D = 2\^n pixels .* got D = 256"),
        ({"states": 1.01 * STATES}, "states: expected rows of length 1, got 1.01 for row 0"),
        ({"states": changed(STATES, 5, 0)}, "states: expected rows of length 1, got 0 for row 5"),
        ({"states": changed(STATES, 7, math.nan)}, "states: expected finite .* row 7 has one"),
        ({"shown": changed(SHOWN, 2, math.inf)}, "shown: expected finite numbers, and row 2"),
        ({"shown": 0.9 * SHOWN}, "shown: expected rows of length 1, got 0.9 for row 0"),
        ({"shown": changed(SHOWN, 1, -0.125)}, "shown: expected a pixel above 0 .* none in row 1"),
        ({"shown": STATES[:13]}, r"shown: .* \(M, 64\) with M from 1 to 12 .* got \(13, 64\)"),
        ({"shown": torch.eye(8)}, r"shown: expected shape \(M, 64\) .* got \(8, 8\)"),
        ({"image_shape": (8, 4)}, r"image_shape=\(8, 4\): expected \(H, W\) with H·W = 64"),
        ({"image_shape": (-8, -8)}, r"image_shape=\(-8, -8\): expected"),
        ({"image_shape": (8, 8, 1)}, r"image_shape=\(8, 8, 1\): expected"),
        ({"kept": 7}, "kept=7: expected a whole number from 0 to 6"),
        ({"kept": -1}, "kept=-1: expected a whole number from 0 to 6"),
        ({"kept": 2.0}, "kept=2.0: expected a whole number"),
        ({"kept": True}, "kept=True: expected a whole number"),
        ({"trained": {7: [(1, 0.5)]}}, "trained: qubits kept=7: expected a whole number from 0 t"),
        (
            {"trained": {3: [(-1, 0.5)]}},
            r"trained\[3\]: layers=-1: expected a whole number of at least 0",
        ),
        ({"trained": {3: (12, 0.8)}}, r"trained\[3\]: expected pairs .*, got 12"),
        ({"trained": {3: [(12, 0.893)]}}, r"trained\[3\]: .* 0 to 0.89\d+, .*got 0.893 for 12 lay"),
        ({"trained": {3: [(12, -0.1)]}}, r"trained\[3\]: expected probabilities .*, got -0.1 for"),
        ({"trained": {3: [(12, math.nan)]}}, r"trained\[3\]: expected probabilities .*, got nan"),
    ],
)
def test_what_does_not_fit_is_named(changes, said):
    with pytest.raises(ValueError, match=said):
        figure(**changes)


def test_a_circuit_may_reach_the_bound():
    bound = np.linalg.eigvalsh(rho())[-8:].sum()
    assert figure(trained={3: [(12, bound + 1e-6)]}).trained[0][2] == round(bound + 1e-6, 6)


def test_every_text_comes_from_the_catalogue_and_is_used(monkeypatch):
    assert_words_are_used(compression, monkeypatch)


# The arithmetic in Node ---------------------------------------------------------------------------


@needs_node
def test_module_is_whole():
    assert in_node("compression", "typeof render") == "function"


@needs_node
def test_numbers_are_unpacked():
    numbers = np.array([[0.0, 1, -1.5, 65504], [6e-8, -3e-5, 6.1e-5, 1 / 3]]).astype("<f2")
    text = base64.b64encode(numbers.tobytes()).decode()
    found = in_node("compression", f"unpack('{text}', 4).map((row) => [...row])")
    assert found == numbers.astype(float).tolist()


@needs_node
def test_images_are_projected_on_the_first_eigenvectors():
    state = state_in_html(figure())
    vectors, images = unpacked(state["eigenvectors"]), unpacked(state["images"])
    found = in_node(
        "compression",
        "((vectors, images) => [0, 1, 2, 3, 4, 5, 6].map((k) => images.map((x) =>"
        " [...project(vectors, x, 2 ** k)])))"
        f"(unpack('{state['eigenvectors']}', 64), unpack('{state['images']}', 64))",
    )
    for k, rebuilt in enumerate(found):
        first = vectors[: 2**k]
        np.testing.assert_allclose(rebuilt, images @ first.T @ first, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found[6], SHOWN, atol=3e-3)  # all of it is kept


@needs_node
def test_bound_is_the_sum_of_the_largest_eigenvalues():
    values = state_in_html(figure())["eigenvalues"]
    found = in_node("compression", f"[0, 1, 2, 3, 4, 5, 6].map((k) => bound({values}, 2 ** k))")
    largest = np.linalg.eigvalsh(rho())[::-1]
    np.testing.assert_allclose(found, [largest[: 2**k].sum() for k in range(7)], rtol=0, atol=1e-6)
    assert found[6] == pytest.approx(1, abs=1e-8)


@needs_node
def test_projections_reach_the_bound_on_average():
    """The mean of what the images of the data set keep, each for itself, is what is promised."""
    rows = STATES[::10]
    state = state_in_html(figure(rows, trained=None))
    found = in_node(
        "compression",
        f"((vectors, rows) => [1, 8, 32].map((count) => [bound({state['eigenvalues']}, count),"
        " rows.reduce((sum, x) => sum + squaredLength(project(vectors, x, count)), 0)"
        f" / rows.length]))(unpack('{state['eigenvectors']}', 64), {json.dumps(rows.tolist())})",
    )
    for promised, reached in found:
        assert reached == pytest.approx(promised, abs=1e-3)
