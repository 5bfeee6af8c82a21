"""Maps side by side: the figure seen from Python, and its arithmetic run in Node."""

import base64
import json
import math

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

import vqvae_lib as vq
from tests.course.widget_tools import assert_words_are_used, in_node, needs_node, state_in_html
from vqvae_lib.course.widgets import Embeddings, embeddings

DIGITS = vq.load_digits()


def maps_of(n=60):
    generator = torch.Generator().manual_seed(0)
    return {
        "PCA": vq.PCA.fit(DIGITS.x_train, 2).encode(DIGITS.x_test[:n]),
        "by chance": torch.randn(n, 2, generator=generator),
    }


def figure(n=60, **changes):
    settings = {
        "maps": maps_of(n),
        "images": DIGITS.x_test[:n],
        "labels": DIGITS.y_test[:n],
        "image_shape": (8, 8),
        "alt": "Two maps of digits.",
    } | changes
    return Embeddings(
        settings.pop("maps"), settings.pop("images"), settings.pop("labels"), **settings
    )


# State and repr -----------------------------------------------------------------------------------


def test_it_has_its_state_and_repr():
    widget = figure()
    state = state_in_html(widget)
    assert set(state) == {
        "alt", "chosen", "image_shape", "labels", "names", "neighbours", "pixels", "places",
        "words",
    }  # fmt: skip
    assert state["names"] == ["PCA", "by chance"]
    assert state["labels"] == DIGITS.y_test[:60].tolist()
    pixels = np.frombuffer(base64.b64decode(state["pixels"]), np.uint8).reshape(60, 64)
    np.testing.assert_allclose(pixels / 255, DIGITS.x_test[:60], atol=0.5 / 255 + 1e-7)
    assert repr(widget) == "Embeddings(names=['PCA', 'by chance'], image_shape=[8, 8])"
    bundle, _ = widget._repr_mimebundle_()
    assert bundle["text/html"].endswith(">Two maps of digits.</div>")


def test_maps_keep_their_shape_and_fill_the_square():
    state = state_in_html(figure())
    for name, packed in zip(state["names"], state["places"], strict=True):
        found = np.frombuffer(base64.b64decode(packed), "<f2").reshape(60, 2).astype(float)
        assert found.min() >= 0
        assert found.max() <= 1
        assert max(np.ptp(found, axis=0)) == pytest.approx(1, abs=1e-3)
        middle = (found.max(0) + found.min(0)) / 2
        np.testing.assert_allclose(middle, 0.5, atol=1e-3)
        # One scale for both axes: all distances are those of the map, times one number.
        ours = torch.pdist(torch.from_numpy(found))
        theirs = torch.pdist(maps_of()[name].double())
        np.testing.assert_allclose(ours / ours.max(), theirs / theirs.max(), atol=2e-3)


def test_a_full_figure_fits_a_page():
    four = {str(i): torch.randn(180, 2) for i in range(4)}
    bundle, _ = figure(180, maps=four)._repr_mimebundle_()
    assert len(bundle["text/html"].encode()) < 60_000


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"maps": {"one": torch.zeros(60, 2)}}, "maps: expected two to 4 of them, got 1"),
        ({"maps": {str(i): torch.zeros(60, 2) for i in range(5)}}, "two to 4 of them, got 5"),
        ({"maps": maps_of(50)}, r"maps\['PCA'\]: expected shape \(60, 2\), got \(50, 2\)"),
        ({"maps": maps_of() | {"bad": torch.full((60, 2), math.nan)}}, r"maps\['bad'\]: .* finite"),
        ({"images": DIGITS.x_test[:60, :60]}, r"expected shape \(N, D\) .* got \(60, 60\)"),
        ({"images": DIGITS.x_test[:60] * math.inf}, r"images\[.*\] is .* expected finite numbers"),
        ({"labels": DIGITS.y_test[:50]}, r"labels: expected 60 integers .* got \(50,\)"),
        ({"labels": DIGITS.y_test[:60] + 5}, "labels: expected 60 integers from 0 to 9"),
        ({"labels": DIGITS.y_test[:60].float()}, "labels: expected 60 integers from 0 to 9"),
        ({"neighbours": 10}, "neighbours=10: expected a whole number from 1 to 9"),
        ({"chosen": 60}, "chosen=60: expected a whole number from 0 to 59"),
        ({"images": torch.zeros(60, 784), "image_shape": (28, 28)}, "47040 pixels are too many"),
    ],
)
def test_what_does_not_fit_is_named(changes, said):
    with pytest.raises(ValueError, match=said):
        figure(**changes)


def test_every_text_comes_from_the_catalogue_and_is_used(monkeypatch):
    assert_words_are_used(embeddings, monkeypatch)


# The arithmetic in Node ---------------------------------------------------------------------------


def rows_in_node(state, which):
    if which == "images":
        return f"rows(bytes({json.dumps(state['pixels'])}), 64)"
    return f"rows(float16({json.dumps(state['places'][which])}), 2)"


def rows_in_python(state, which):
    if which == "images":
        packed, kind = state["pixels"], np.uint8
    else:
        packed, kind = state["places"][which], "<f2"
    width = 64 if which == "images" else 2
    return np.frombuffer(base64.b64decode(packed), kind).astype(float).reshape(-1, width)


@needs_node
@pytest.mark.parametrize("which", ["images", 0, 1])
def test_nearest_are_scikit_learn_s(which):
    state = state_in_html(figure())
    found = in_node(
        "embeddings",
        f"(() => {{ const all = {rows_in_node(state, which)};"
        " return all.map((_, i) => nearest(all, i, 5)); })()",
    )
    points = rows_in_python(state, which)
    search = NearestNeighbors(n_neighbors=5).fit(points)
    distances, _ = search.kneighbors()
    for i, chosen in enumerate(found):
        assert i not in chosen
        assert len(set(chosen)) == 5
        own = np.linalg.norm(points[chosen] - points[i], axis=1)
        np.testing.assert_allclose(own, distances[i], atol=1e-9)  # equals may change places


@needs_node
def test_kept_are_those_near_in_both():
    state = state_in_html(figure())
    found = in_node(
        "embeddings",
        f"(() => {{ const [images, places] = [{rows_in_node(state, 'images')},"
        f" {rows_in_node(state, 0)}];"
        " return images.map((_, i) => kept(images, places, i, 5)); })()",
    )
    near = {
        which: NearestNeighbors(n_neighbors=5).fit(points).kneighbors()[1]
        for which, points in ((w, rows_in_python(state, w)) for w in ("images", 0))
    }
    counts = [len(set(a) & set(b)) for a, b in zip(near["images"], near[0], strict=True)]
    assert [sum(held) for held in found] == counts
    assert 0 < np.mean(counts) < 5


@needs_node
@pytest.mark.parametrize(
    ("direction", "index"), [([1, 0], 1), ([-1, 0], 3), ([0, 1], 2), ([0, -1], None)]
)
def test_arrow_keys_go_to_the_next_point_on_that_side(direction, index):
    places = [[0, 0], [0.2, 0.05], [0.1, 0.5], [-0.4, -0.1], [0.9, 0.0]]
    found = in_node("embeddings", f"towards({json.dumps(places)}, 0, {direction}) ?? null")
    assert found == index
