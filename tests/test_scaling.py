"""From raw units to a model's rows and back; other columns, shapes and levels are refused."""

import numpy as np
import pytest
import torch

from vqvae_lib.data import load_digits, load_table
from vqvae_lib.scaling import ImageScaling, TableScaling

COLUMNS = ("height", "weight", "age")
RAW = np.array([[180.0, 80.0, 30.0], [170.0, 60.0, 40.0], [160.0, 70.0, 80.0]])


class Frame:
    """As much of a data frame as pandas' and polars' have in common."""

    def __init__(self, values, columns):
        self.values, self.columns = np.asarray(values), list(columns)

    def to_numpy(self):
        return self.values


def test_a_table_is_standardised_by_numpy_s_mean_and_std():
    scaling = TableScaling.measure(RAW, COLUMNS)
    expected = (RAW - RAW.mean(0)) / RAW.std(0)
    x = scaling.transform(RAW)
    assert x.dtype == torch.get_default_dtype()
    np.testing.assert_allclose(x, expected, rtol=1e-6)
    np.testing.assert_allclose(scaling.inverse(torch.tensor(expected)), RAW, rtol=1e-14)
    assert scaling.inverse(x).dtype == torch.float64
    assert scaling == TableScaling(RAW.mean(0), torch.tensor(RAW).std(0, correction=0), COLUMNS)


def test_far_from_0_nothing_is_lost():
    raw = 1e9 + np.arange(5.0)[:, None]
    scaling = TableScaling.measure(raw)
    np.testing.assert_allclose(scaling.transform(raw)[:, 0], (np.arange(5) - 2) / 2**0.5, rtol=1e-6)
    np.testing.assert_allclose(scaling.inverse(scaling.transform(raw)), raw, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", [torch.tensor, torch.float32, np.int64, "float32"])
def test_rows_of_any_kind_are_read(kind):
    scaling = TableScaling.measure(RAW, COLUMNS)
    raw = RAW.astype(kind) if kind in (np.int64, "float32") else torch.tensor(RAW)
    raw = raw.to(kind) if kind is torch.float32 else raw
    assert torch.equal(scaling.transform(raw), scaling.transform(RAW))


def test_columns_of_a_frame_go_by_name():
    scaling = TableScaling.measure(Frame(RAW, COLUMNS))
    assert scaling.columns == COLUMNS
    mixed = Frame(np.c_[RAW[:, 2], [1, 2, 3], RAW[:, :2]], ["age", "label", "height", "weight"])
    assert torch.equal(scaling.transform(mixed), scaling.transform(RAW))
    text = np.c_[RAW.astype(object), ["a", "b", "c"]]
    assert torch.equal(scaling.transform(Frame(text, [*COLUMNS, "label"])), scaling.transform(RAW))
    assert torch.equal(scaling.transform(RAW, COLUMNS), scaling.transform(RAW))


@pytest.mark.parametrize(
    ("raw", "columns", "error", "message"),
    [
        (RAW[:, :2], None, ValueError, r"raw has shape \(3, 2\): expected \(N, 3\)"),
        (RAW[0], None, ValueError, r"raw has shape \(3,\): expected \(N, 3\)"),
        (Frame(RAW, ["height", "mass", "age"]), None, ValueError, r"expected each of \['weight'\]"),
        (
            Frame(RAW, ["height", "height", "age"]),
            None,
            ValueError,
            r"each of \['height', 'weight'",
        ),
        (RAW, ("weight", "height", "age"), ValueError, r"raw has the columns=\['weight', 'height'"),
        (np.where(RAW == 60, np.nan, RAW), None, ValueError, r"raw\[1\], column 'weight', is nan"),
        (np.where(RAW == 80, np.inf, RAW), None, ValueError, r"raw\[0\], column 'weight', is inf"),
        (Frame(np.full((2, 3), "a", object), COLUMNS), None, TypeError, "raw holds something that"),
        (RAW.tolist(), None, TypeError, "raw is a list: expected a torch.Tensor or a NumPy array"),
        (RAW[:0], None, ValueError, "expected at least 1 rows"),
    ],
)
def test_other_rows_are_refused_by_name(raw, columns, error, message):
    scaling = TableScaling.measure(RAW, COLUMNS)
    with pytest.raises(error, match=message):
        scaling.transform(raw, columns)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (((1.0,), (1.0, 2.0)), ValueError, "mean has 1 numbers and scale 2"),
        (((), ()), ValueError, "mean has 0 numbers"),
        (((1.0,), (0.0,)), ValueError, "scale of column 0 is 0: expected a number above 0"),
        (((1.0,), (-1.0,), ("a",)), ValueError, "scale of column 'a' is -1"),
        (((np.nan,), (1.0,)), ValueError, r"mean\[0\]=nan: expected a finite number"),
        (((1.0, 2.0), (1.0, 1.0), ("a", "a")), ValueError, "expected 2 different names"),
        (((1.0, 2.0), (1.0, 1.0), "ab"), TypeError, "columns is a str: expected the names"),
        (
            ((1.0, 2.0), (1.0, 1.0), ("a", 3)),
            TypeError,
            "columns holds what is a int: expected names",
        ),
        ((1.0, 1.0), TypeError, "mean is a float: expected a number for each column"),
    ],
)
def test_a_scaling_that_makes_no_sense_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        TableScaling(*arguments)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e9 + 0.1])
def test_a_column_that_never_changes_is_refused(value):
    raw = RAW.copy()
    raw[:, 1] = value
    with pytest.raises(ValueError, match=r"raw has columns that never change, \['weight'\]"):
        TableScaling.measure(raw, COLUMNS)


def test_images_are_divided_by_their_levels():
    scaling = ImageScaling((2, 3), np.int64(16))
    raw = torch.arange(12, dtype=torch.uint8).reshape(2, 2, 3)
    x = scaling.transform(raw)
    np.testing.assert_array_equal(x, raw.reshape(2, 6).numpy() / np.float32(16))
    assert torch.equal(scaling.transform(raw.flatten(1)), x)
    assert torch.equal(scaling.transform(raw.numpy()), x)
    assert torch.equal(scaling.inverse(x), raw.double())
    assert scaling.inverse(x[None]).shape == (1, 2, 2, 3)
    assert scaling.D == 6


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            torch.zeros(2, 3, 2),
            r"raw has shape \(2, 3, 2\): expected images of \(2, 3\), or rows of",
        ),
        (torch.zeros(2, 5), "rows of 6 pixels"),
        (
            torch.full((1, 2, 3), 200),
            r"raw\[0, 0, 0\] is 200 \(and 5 more\): expected levels from 0",
        ),
        (torch.full((1, 6), -1), "expected levels from 0 to 16"),
        (torch.full((1, 6), float("nan")), "is nan .* expected levels from 0 to 16"),
        (torch.zeros(0, 6), "expected at least 1 rows"),
    ],
)
def test_other_images_are_refused(raw, message):
    with pytest.raises(ValueError, match=message):
        ImageScaling((2, 3), 16).transform(raw)


def test_data_sets_say_how_they_were_scaled():
    digits = load_digits()
    levels = digits.scaling.inverse(digits.x_test)
    assert levels.shape == (len(digits.x_test), 8, 8)
    assert torch.equal(levels, levels.round())
    assert torch.equal(digits.scaling.transform(levels), digits.x_test)

    from sklearn.datasets import load_wine

    wine, raw = load_table("wine"), load_wine()
    rows = wine.scaling.transform(raw.data, raw.feature_names)
    known = {tuple(row) for row in rows.tolist()}
    assert all(tuple(row) in known for row in wine.x_test.tolist())
    assert len(known) == 178
