"""Splits: nothing lost, nothing twice, no group on two sides, the same rows every time."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vqvae_lib.splits import NO_GROUP, GroupFold, GroupSplit, Parts, RandomSplit

GROUPS = torch.arange(14).repeat_interleave(torch.arange(20, 34))  # groups of different sizes
LABELS = torch.arange(len(GROUPS)) % 5


def sets(parts):
    return [set(rows.tolist()) for rows in (parts.train, parts.valid, parts.test)]


def assert_partition(parts, N):
    train, valid, test = sets(parts)
    assert len(train) + len(valid) + len(test) == N
    assert train | valid | test == set(range(N))
    assert all(len(rows) == len(set(rows.tolist())) for rows in vars(parts).values())


def groups_in(rows):
    return set(GROUPS[rows].tolist())


# ---------------------------------------------------------------- by group


def test_named_groups_go_where_they_are_named_and_the_others_train():
    parts = GroupSplit(valid=(3, 4), test=(0,)).parts(GROUPS, LABELS)
    assert_partition(parts, len(GROUPS))
    assert groups_in(parts.valid) == {3, 4}
    assert groups_in(parts.test) == {0}
    assert groups_in(parts.train) == {*range(14)} - {0, 3, 4}


def test_rows_are_shuffled_and_the_same_every_time():
    split = GroupSplit(valid=[3], test=np.arange(1))
    assert split == GroupSplit(valid=(3,), test=(0,))
    first, again = split.parts(GROUPS, LABELS), split.parts(GROUPS, LABELS)
    for rows, same in zip(vars(first).values(), vars(again).values(), strict=True):
        assert torch.equal(rows, same)
    assert not torch.equal(first.train, first.train.sort().values)
    # The first rows hold groups from the whole range.
    assert len(groups_in(first.train[:60])) == 12


@pytest.mark.parametrize("n_folds", [3, 5, 7, 14])
def test_over_the_folds_each_group_tests_once_and_validates_once(n_folds):
    tested, validated = [], []
    for k in range(n_folds):
        parts = GroupFold(k, n_folds).parts(GROUPS, LABELS)
        assert_partition(parts, len(GROUPS))
        train, valid, test = (groups_in(rows) for rows in vars(parts).values())
        assert len(train) + len(valid) + len(test) == 14
        assert {g % n_folds for g in test} == {k}
        assert {g % n_folds for g in valid} == {(k + 1) % n_folds}
        tested += test
        validated += valid
    assert sorted(tested) == sorted(validated) == list(range(14))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GroupSplit(valid=(), test=(1,)), r"valid=\(\): expected the numbers"),
        (lambda: GroupSplit(valid=(1,), test=()), r"test=\(\): expected the numbers"),
        (lambda: GroupSplit(valid=(1, 2), test=(2,)), r"groups \[2\] validate and test"),
        (lambda: GroupSplit(valid=(1,), test=(-1,)), "test=-1: expected a whole number"),
        (lambda: GroupFold(7), "fold=7: .* from 0 to 6"),
        (lambda: GroupFold(-1), "fold=-1"),
        (lambda: GroupFold(0, n_folds=2), "n_folds=2: .* at least 3"),
        (
            lambda: GroupSplit(valid=(1,), test=(20, 30)).parts(GROUPS, LABELS),
            r"groups \[20, 30\] don't occur: the data have 0, 1, .*, 13$",
        ),
        (
            lambda: GroupSplit(valid=range(7), test=range(7, 14)).parts(GROUPS, LABELS),
            "all groups validate or test: expected at least one that trains",
        ),
        (
            lambda: GroupFold(2, n_folds=4).group_split([0, 1, 3, 4]),
            "groups 0, 1, 3, 4 leave fold 2 or 3 of 4 empty: expected fewer folds",
        ),
        (
            lambda: GroupFold(0).parts(torch.where(GROUPS == 3, NO_GROUP, GROUPS), LABELS),
            "record no groups for some rows: expected RandomSplit",
        ),
    ],
)
def test_groups_that_cannot_be_split_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_groups_are_numbers():
    with pytest.raises(TypeError, match=r"groups has dtype torch\.float32"):
        GroupFold(0).parts(GROUPS.float(), LABELS)


def test_groups_of_any_kind_of_whole_number_are_read_alike():
    expected = GroupFold(2).parts(GROUPS, LABELS)
    backwards = np.flip(GROUPS.numpy()[::-1].copy())
    for groups in (
        GROUPS.numpy(),
        GROUPS.int(),
        GROUPS.byte(),
        backwards,
        GROUPS.numpy().astype(">i4"),
    ):
        for split in (GroupFold(np.int64(2)), GroupFold(2).group_split(GROUPS.unique())):
            parts = split.parts(groups, LABELS)
            assert all(map(torch.equal, vars(parts).values(), vars(expected).values()))


def test_names_of_groups_become_numbers_by_a_line_that_the_error_gives():
    names = np.array(["ann", "ben", "eve"])[GROUPS % 3]
    with pytest.raises(TypeError, match=r"such as np\.unique\(groups, return_inverse=True\)\[1\]"):
        GroupSplit(valid=(0,), test=(1,)).parts(names, LABELS)
    parts = GroupSplit((0,), (1,)).parts(np.unique(names, return_inverse=True)[1], LABELS)
    assert set(names[parts.test.numpy()]) == {"ben"}


# ---------------------------------------------------------------- at random


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    valid=st.floats(0.1, 0.4),
    test=st.floats(0.1, 0.4),
    N=st.integers(100, 400),
)
def test_a_random_split_is_a_stratified_partition(seed, valid, test, N):
    labels = (torch.arange(N) * 7 % 11).clamp(max=3)  # classes of unequal sizes
    split = RandomSplit(seed, valid_fraction=valid, test_fraction=test)
    parts = split.parts(torch.full((N,), NO_GROUP), labels)
    assert_partition(parts, N)
    assert len(parts.valid) == round(valid * N)
    assert len(parts.test) == round(test * N)
    for rows in vars(parts).values():
        expected = labels.bincount() * len(rows) / N
        assert ((labels[rows].bincount(minlength=4) - expected).abs() < 2).all()


def test_the_seed_chooses_and_groups_play_no_role():
    first, again, other = (RandomSplit(s).parts(GROUPS, LABELS) for s in (0, 0, 1))
    assert torch.equal(first.test, again.test)
    assert sets(first)[2] != sets(other)[2]
    blind = RandomSplit(0).parts(torch.full_like(GROUPS, NO_GROUP), LABELS)
    assert torch.equal(first.train, blind.train)


def test_no_row_is_favoured_by_a_random_split():
    counts = torch.zeros(len(GROUPS))
    for seed in range(300):
        counts[RandomSplit(seed, test_fraction=0.25).parts(GROUPS, LABELS).test] += 1
    # 75 expected, standard deviation 7.5.
    assert ((counts - 75).abs() < 5 * 7.5).all()
    assert counts.std() == pytest.approx(7.5, rel=0.2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed=-1"),
        ({"seed": 2**32}, "seed=4294967296: expected a whole number from 0 to 4294967295"),
        ({"valid_fraction": 0}, "valid_fraction=0: .* above 0"),
        ({"test_fraction": 1.0}, "test_fraction=1.0: .* below 1"),
        ({"valid_fraction": 0.5, "test_fraction": 0.5}, "leave nothing to train on"),
    ],
)
def test_shares_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        RandomSplit(**options)


def test_a_class_too_small_is_named():
    labels = torch.tensor([0] * 50 + [1])
    with pytest.raises(ValueError, match=r"labels of 51 rows cannot be split .* least populated"):
        RandomSplit().parts(labels, labels)
    with pytest.raises(ValueError, match=r"labels of 4 rows cannot be split"):
        RandomSplit().parts(LABELS[:4], torch.tensor([0, 0, 1, 1]))


# ---------------------------------------------------------------- parts


def test_parts_cut_columns():
    parts = Parts(*map(torch.tensor, ([3, 1], [0], [2])))
    cut = parts.cut(x=torch.arange(8).reshape(4, 2), y=torch.arange(4) * 10)
    assert {name: rows.tolist() for name, rows in cut.items()} == {
        "x_train": [[6, 7], [2, 3]], "x_valid": [[0, 1]], "x_test": [[4, 5]],
        "y_train": [30, 10], "y_valid": [0], "y_test": [20],
    }  # fmt: skip


def test_parts_of_arrays_are_tensors():
    parts = Parts(np.array([3, 1]), np.array([0], np.uint8), torch.tensor([2], dtype=torch.int32))
    assert [rows.dtype for rows in vars(parts).values()] == [torch.int64] * 3
    assert parts.cut(x=torch.arange(4))["x_test"].tolist() == [2]


def test_parts_share_no_row_and_none_is_empty():
    with pytest.raises(ValueError, match="row 7 stands in more than one part"):
        Parts(*map(torch.tensor, ([1, 7], [2], [7])))
    with pytest.raises(ValueError, match="row 7 stands in more than one part"):
        Parts(*map(torch.tensor, ([1, 7, 7], [2], [3])))
    with pytest.raises(ValueError, match=r"train\[1\] is -1: expected row numbers from 0"):
        Parts(*map(torch.tensor, ([1, -1], [2], [3])))
    with pytest.raises(ValueError, match=r"valid has shape \(0,\): expected at least 1 rows"):
        Parts(torch.tensor([1]), torch.tensor([]).long(), torch.tensor([2]))


def test_columns_have_all_rows_that_are_cut():
    parts = Parts(*map(torch.tensor, ([3, 1], [0], [2])))
    with pytest.raises(ValueError, match=r"y has shape \(3,\): expected at least 4 rows"):
        parts.cut(x=torch.zeros(4), y=torch.zeros(3))
    assert parts.cut(x=np.arange(4))["x_train"].tolist() == [3, 1]
