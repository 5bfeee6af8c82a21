"""What a conditional model is told: rows against NumPy, and what is refused."""

import numpy as np
import pytest
import torch

from vqvae_lib.conditions import Condition, Labels, NoCondition, Numbers

LIKE = torch.zeros(4, 7, dtype=torch.float64)  # (B, k)


def test_labels_become_one_hot_rows():
    y = torch.tensor([2, 0, 1, 2])
    rows = Labels(3).rows(y, like=LIKE)
    assert rows.dtype == torch.float64
    np.testing.assert_array_equal(rows, np.eye(3)[y])


def test_numbers_stay_as_they_are():
    y = torch.randn(4, 2)
    rows = Numbers(2).rows(y, like=LIKE)
    assert rows.dtype == torch.float64
    np.testing.assert_array_equal(rows, y.double())


def test_no_condition_has_rows_without_columns():
    assert NoCondition().rows(None, like=LIKE).shape == (4, 0)


@pytest.mark.parametrize(
    ("condition", "y"),
    [(NoCondition(), None), (Labels(5), torch.arange(4)), (Numbers(3), torch.ones(4, 3))],
)
def test_rows_have_the_width_and_fit_draws_too(condition, y):
    """`like` may have leading axes of draws; conditions are one per sample all the same."""
    draws = LIKE.expand(6, 4, 7).float()
    for like in (LIKE, draws):
        rows = condition.rows(y, like=like)
        assert rows.shape == (4, condition.width)
        assert rows.dtype == like.dtype


def test_conditions_are_equal_when_they_say_the_same():
    assert Labels(3) == Labels(np.int64(3)) != Labels(4)
    assert Numbers(3) != Labels(3)
    assert NoCondition() == NoCondition()
    assert repr(Labels(np.int64(3))) == "Labels(n_classes=3)"
    assert repr(Numbers(2)) == "Numbers(dim=2)"


def test_an_empty_batch_has_no_rows():
    assert Labels(3).rows(torch.zeros(0, dtype=torch.int64), like=LIKE[:0]).shape == (0, 3)


@pytest.mark.parametrize(
    ("condition", "y", "error", "message"),
    [
        (
            NoCondition(),
            torch.zeros(4),
            ValueError,
            r"y is a tensor of shape \(4,\) .*, and this model has no condition: expected no y, or",
        ),
        (Labels(3), None, ValueError, r"y is missing: Labels\(n_classes=3\) needs one label per"),
        (Labels(3), torch.zeros(4), TypeError, "y has dtype torch.float32: expected torch.int64"),
        (Labels(3), torch.zeros(3).long(), ValueError, r"y has shape \(3,\): expected \(4,\)"),
        (Labels(3), torch.tensor([0, 1, 3, 3]), ValueError, r"y\[2\] is 3 \(and 1 more\): .* 0 to"),
        (Labels(3), torch.tensor([0, -1, 1, 1]), ValueError, r"y\[1\] is -1: expected labels from"),
        (Labels(3), [0, 1, 2, 0], TypeError, "y is a list: expected a torch.Tensor"),
        (Numbers(2), None, ValueError, r"y is missing: Numbers\(dim=2\) needs 2 numbers per"),
        (Numbers(2), torch.zeros(4), ValueError, r"y has shape \(4,\): expected \(4, 2\)"),
        (Numbers(2), torch.zeros(4, 3), ValueError, r"y has shape \(4, 3\): expected \(4, 2\)"),
        (Numbers(2), torch.zeros(4, 2).bool(), TypeError, "y has dtype torch.bool: expected torch"),
    ],
)
def test_what_does_not_fit_is_named(condition, y, error, message):
    with pytest.raises(error, match=message):
        condition.rows(y, like=LIKE)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Labels(0), "n_classes=0: expected a whole number of at least 1"),
        (lambda: Labels(2.5), "n_classes=2.5: expected a whole number"),
        (lambda: Numbers(0), "dim=0: expected a whole number of at least 1"),
    ],
)
def test_a_condition_of_nothing_is_not_a_condition(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_condition_needs_its_two_answers():
    class Half(Condition):
        width = 3

    with pytest.raises(TypeError, match="abstract"):
        Half()


def test_what_everybody_reads_in_the_same_way_is_converted():
    like = torch.zeros(2, 4, 1, dtype=torch.float64)
    labels = torch.tensor([0, 2, 1, 0])
    expected = Labels(3).rows(labels, like)
    for y in (labels.numpy(), labels.int(), labels.to(torch.uint8), labels.numpy().astype("int8")):
        assert torch.equal(Labels(3).rows(y, like), expected)
    numbers = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])
    for y in (numbers, numbers.long(), numbers.numpy(), numbers.double()):
        rows = Numbers(2).rows(y, like)
        assert rows.dtype == torch.float64
        assert torch.equal(rows, numbers.double())
