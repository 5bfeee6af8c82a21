"""The two tables, and rectangles cut out of photographs."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.preprocessing import StandardScaler

import vqvae_lib as vq
from vqvae_lib.data import WRITERS, TableData, load_table
from vqvae_lib.splits import RandomSplit

# Rows to train, to validate and to test, columns, classes.
SIZES = {"wine": (114, 26, 38, 13, 3), "breast_cancer": (366, 82, 121, 30, 2)}
SOURCES = {"wine": load_wine, "breast_cancer": load_breast_cancer}


@pytest.mark.parametrize("name", SIZES)
def test_tables_are_standardised_by_their_training_part(name):
    table = load_table(name)
    train, valid, test, D, classes = SIZES[name]
    assert table.x_train.shape == (train, D)
    assert table.x_valid.shape == (valid, D)
    assert table.x_test.shape == (test, D)
    assert table.D == D
    assert len(table.classes) == classes == len(table.y_train.unique())
    assert table.x_train.dtype == torch.float32
    assert table.y_train.dtype == torch.int64
    # Undo it: the rows are those of scikit-learn, and its scaler gives the same.
    bunch = SOURCES[name]()
    raw = table.x_train.double() * table.scale.double() + table.mean.double()
    order = {tuple(np.round(row, 2)): i for i, row in enumerate(bunch.data.astype(np.float32))}
    rows = [int(np.abs(bunch.data - row.numpy()).sum(1).argmin()) for row in raw]
    assert len(set(rows)) == train
    assert len(order) > 0
    np.testing.assert_array_equal(bunch.target[rows], table.y_train)
    scaler = StandardScaler().fit(bunch.data[rows])
    rest = sorted(set(range(len(bunch.data))) - set(rows))
    expected = scaler.transform(bunch.data[rest])
    others = np.concatenate([table.x_valid, table.x_test])
    np.testing.assert_allclose(np.sort(others, 0), np.sort(expected, 0), atol=1e-4)
    np.testing.assert_allclose(scaler.transform(bunch.data[rows]), table.x_train, atol=1e-4)


def test_a_seed_chooses_the_split_and_classes_keep_their_share():
    first, again, other = (load_table("wine", split=RandomSplit(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.x_train, again.x_train)
    assert not torch.equal(first.x_train, other.x_train)
    shares = [torch.bincount(y).double() / len(y) for y in (first.y_train, first.y_test)]
    torch.testing.assert_close(*shares, rtol=0, atol=0.02)
    assert repr(first) == (
        "TableData('wine', 114 training, 26 validation and 38 test rows of 13 numbers, 3 classes)"
    )
    assert len(load_table("wine", split=RandomSplit(test_fraction=0.5)).x_test) == 89


def test_a_table_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match="name='iris': expected one of 'wine', 'breast_cancer'"):
        load_table("iris")


def test_a_table_has_no_groups_to_be_split_by():
    with pytest.raises(ValueError, match=r"the data record no groups .* expected RandomSplit"):
        load_table("wine", split=WRITERS)


def test_a_table_knows_what_raw_rows_went_through():
    table = load_table("wine")
    raw, names = load_wine().data, load_wine().feature_names
    rows = table.scaling.transform(raw, columns=names)
    seen = {tuple(row.tolist()) for row in rows}
    assert {tuple(row.tolist()) for row in torch.cat([table.x_train, table.x_test])} <= seen
    assert table.mean.dtype == table.scale.dtype == torch.float64


def columns_of_a_table():
    columns = {"columns": ["age", "height"], "classes": ["red", "green"]}
    columns |= {"mean": np.zeros(2), "scale": np.ones(2)}
    for part in ("train", "valid", "test"):
        columns |= {f"x_{part}": np.array([[1.0, 2.0], [3.0, 4.0]]), f"y_{part}": np.array([0, 1])}
    return columns


def test_a_table_of_ones_own():
    table = TableData("mine", **columns_of_a_table())
    assert table.x_test.dtype == torch.float32
    assert table.x_test.tolist() == [[1, 2], [3, 4]]
    assert table.columns == ("age", "height")
    assert table.D == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"x_valid": np.array([[1.0, np.nan], [np.nan, 4.0]])},
            r"x_valid\[0, 1\] is nan \(and 1 more\): .* leave incomplete rows out",
        ),
        ({"x_train": np.zeros((2, 3))}, r"x_train has shape \(2, 3\): expected \(N, 2\)"),
        ({"y_test": np.array([0, 2])}, r"y_test\[1\] is 2: expected a class from 0 to 1"),
        ({"y_test": np.array([0])}, r"y_test has shape \(1,\) and x_test \(2, 2\)"),
        ({"y_train": np.array(["red", "green"])}, "y_train is an array of dtype <U5.*np.unique"),
        ({"y_train": None}, r"y_train is None: .* np\.zeros\(2, dtype=int\)"),
        ({"scale": np.ones(3)}, r"scale has shape \(3,\): expected \(2,\)"),
        ({"scale": np.zeros(2)}, r"scale\[0\] is 0 \(and 1 more\): expected numbers above 0"),
        ({"classes": "ab"}, "classes is a str: expected names"),
        ({"columns": [1, 2]}, "columns is a int: expected names"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_by_name(change, message):
    with pytest.raises((TypeError, ValueError), match=message):
        TableData("mine", **columns_of_a_table() | change)


def test_rectangles_are_windows_of_the_picture():
    picture = torch.arange(12 * 20).reshape(12, 20).float()  # each pixel tells its place
    patches = vq.extract_patches({"a": picture}, size=(3, 7), count=200, seed=0)
    assert patches.shape == (200, 21)
    for patch in patches.reshape(-1, 3, 7):
        top, left = divmod(int(patch[0, 0]), 20)
        assert torch.equal(patch, picture[top : top + 3, left : left + 7])
    places = {int(patch[0]) for patch in patches}
    assert {p // 20 for p in places} == set(range(10))  # every row and column is reached
    assert {p % 20 for p in places} == set(range(14))


def test_a_square_is_a_rectangle():
    pictures = {"a": torch.rand(30, 40, generator=torch.Generator().manual_seed(0))}
    square = vq.extract_patches(pictures, size=9, count=5, seed=3)
    assert torch.equal(square, vq.extract_patches(pictures, size=(9, 9), count=5, seed=3))


@pytest.mark.parametrize("size", [(31, 5), (5, 41), (0, 5), 31])
def test_rectangles_that_do_not_fit_are_named(size):
    with pytest.raises(ValueError, match="size="):
        vq.extract_patches({"a": torch.zeros(30, 40)}, size=size, count=2, seed=0)
