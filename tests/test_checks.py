"""The vocabulary of checks: what is converted, what is refused, and the sentence that says so."""

import fractions
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.bad_inputs.catalogue import HUGE, bad_values
from vqvae_lib._checks import (
    LABELS,
    MOST,
    check_choice,
    check_count,
    check_flag,
    check_generator,
    check_instance,
    check_number,
    check_path,
    check_same_length,
    check_same_shape,
    check_seed,
    check_sequence,
    check_tensor,
    describe,
    raise_if_any,
)

# ---------------------------------------------------------------- numbers


WHOLE = [np.int64, np.uint8, np.int16, np.array, torch.tensor]


@pytest.mark.parametrize("make", [int, *WHOLE])
def test_counts_come_back_as_pythons(make):
    count = check_count("K", make(7))
    assert count == 7
    assert type(count) is int
    assert type(check_seed("seed", make(7))) is int


@pytest.mark.parametrize("make", [float, np.float32, np.float64, np.array, torch.tensor, *WHOLE])
def test_numbers_come_back_as_pythons(make):
    number = check_number("lr", make(7))
    assert number == 7
    assert type(number) is float


NO_COUNTS = {k: v for k, v in bad_values("count", 3).items() if k != "zero"}


@pytest.mark.parametrize("value", NO_COUNTS.values(), ids=NO_COUNTS)
def test_no_counts(value):
    with pytest.raises(
        ValueError, match=r"^K=(.|\n)*: expected a whole number (of at least|from) 0"
    ):
        check_count("K", value, least=0)


NO_NUMBERS = {k: v for k, v in bad_values("number", 0.5).items() if k not in ("zero", "huge")}


@pytest.mark.parametrize("value", NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_no_numbers(value):
    with pytest.raises(ValueError, match=r"^lr=(.|\n)*: expected a finite number at least 0$"):
        check_number("lr", value, least=0)


def test_one_number_with_an_axis_is_no_number():
    for value in (torch.tensor([3]), np.array([3]), [3]):
        with pytest.raises(ValueError, match=r"K=.*: expected a whole number"):
            check_count("K", value)


def test_counts_are_bounded_where_no_bound_is_named():
    assert check_count("K", MOST) == MOST
    with pytest.raises(
        ValueError, match="K=2147483648: expected a whole number from 1 to 2147483647"
    ):
        check_count("K", MOST + 1)
    with pytest.raises(ValueError, match=r"K=0: expected a whole number of at least 1$"):
        check_count("K", 0)
    assert check_count("K", 10**12, most=10**13) == 10**12


def test_seeds_are_what_torch_takes():
    for seed in (0, 2**32, 2**63 - 1):
        torch.Generator().manual_seed(check_seed("seed", seed))
    for seed in (-1, 2**63, HUGE, None):
        with pytest.raises(ValueError, match="seed="):
            check_seed("seed", seed)


@given(st.integers(-5, 5), st.integers(-5, 5), st.integers(-5, 5))
def test_bounds_of_counts(value, least, most):
    if least <= value <= most:
        assert check_count("n", value, least=least, most=most) == value
    else:
        with pytest.raises(ValueError, match=f"n={value}: .* from {least} to {most}"):
            check_count("n", value, least=least, most=most)


@pytest.mark.parametrize(
    ("bounds", "inside", "outside", "words"),
    [
        ({"least": 1}, [1, 2], [0.999], "at least 1"),
        ({"above": 1}, [1.001], [1, 0.9], "above 1"),
        ({"most": 1}, [1, 0], [1.001], "at most 1"),
        ({"below": 1}, [0.999], [1, 2], "below 1"),
        ({"least": 0, "below": 1}, [0, 0.5], [-0.1, 1], "at least 0 and below 1"),
    ],
)
def test_bounds_of_numbers(bounds, inside, outside, words):
    for value in inside:
        assert check_number("p", value, **bounds) == value
    for value in outside:
        with pytest.raises(ValueError, match=f"p={value}: expected a finite number {words}"):
            check_number("p", value, **bounds)


# ---------------------------------------------------------------- flags, choices, objects


def test_flags():
    assert check_flag("f", np.True_) is True
    assert check_flag("f", False) is False
    for label, value in bad_values("flag", True).items():
        with pytest.raises(ValueError, match=r"^f=(.|\n)*: expected one of False, True"):
            assert check_flag("f", value) is None, label


def test_choices():
    assert check_choice("a", np.str_("relu"), ("relu", "tanh")) == "relu"
    assert type(check_choice("a", np.str_("relu"), ("relu", "tanh"))) is str
    assert check_choice("a", 1, (1, "all")) == 1
    for label, value in bad_values("choice", "relu").items():
        with pytest.raises(ValueError, match=r"^a=(.|\n)*: expected one of 'relu', 1"):
            assert check_choice("a", value, ("relu", 1)) is None, label


def test_generators():
    generator = torch.Generator()
    assert check_generator("generator", generator) is generator
    for label, value in bad_values("generator", generator).items():
        with pytest.raises(
            TypeError, match=r"^generator is .*: expected a torch.Generator, such as"
        ):
            assert check_generator("generator", value) is None, label


def test_objects():
    layer = torch.nn.Linear(1, 1)
    assert check_instance("net", layer, torch.nn.Module, "a module") is layer
    for value, said in (
        (torch.nn.Linear, "the class Linear"),
        ("x", "a str"),
        (None, "a NoneType"),
    ):
        with pytest.raises(TypeError, match=f"^net is {said}: expected a module"):
            check_instance("net", value, torch.nn.Module, "a module")


def test_paths(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    assert check_path("folder", "~/data") == Path("/home/ann/data")
    assert check_path("folder", Path("~/data")) == Path("/home/ann/data")
    assert check_path("folder", "data/~x") == Path("data/~x")
    for label, value in bad_values("path", Path("x")).items():
        if label not in {"nowhere", "a file as folder"}:
            with pytest.raises(
                (TypeError, ValueError), match=r"^folder[ =].*: expected (a|the) path"
            ):
                assert check_path("folder", value) is None, label


def test_sequences():
    for value in ([1, 2], (1, 2), range(1, 3), {1: 0, 2: 0}.keys(), (n for n in (1, 2))):
        assert check_sequence("sizes", value, "widths") == (1, 2)
    assert check_sequence("sizes", np.array([1, 2]), "widths") == (1, 2)
    assert check_sequence("sizes", [], "widths") == ()
    for value in ("ab", b"ab", 3, None, {1: 2}, list, np.array(3), torch.tensor(3)):
        with pytest.raises(TypeError, match=r"^sizes is .*: expected widths$"):
            check_sequence("sizes", value, "widths")
    with pytest.raises(ValueError, match=r"^sizes has 1 items: expected widths, at least 2"):
        check_sequence("sizes", [1], "widths", least=2)


# ---------------------------------------------------------------- tensors


X = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch calls both a prototype
    NESTED = torch.nested.nested_tensor([X, X])
    QUANTISED = torch.quantize_per_tensor(X, 0.1, 0, torch.qint8)


@pytest.mark.parametrize(
    "array",
    [
        X.numpy(),
        X.double().numpy(),
        X.numpy()[::-1, ::-1].copy()[::-1, ::-1],
        X.numpy().astype(">f4"),
        np.asfortranarray(X.numpy()),
        np.repeat(X.numpy(), 2, axis=1)[:, ::2],
    ],
)
def test_arrays_become_tensors_of_the_same_numbers(array):
    x = check_tensor("x", array, ("B", 4), like=torch.zeros(1))
    assert x.dtype == torch.float32
    torch.testing.assert_close(x, X, rtol=0, atol=0)
    before = array.copy()
    x.zero_()  # the caller's array is the caller's
    np.testing.assert_array_equal(array, before)


def test_an_array_goes_where_the_model_is():
    assert check_tensor("x", X.numpy(), like=torch.zeros(1, device="meta")).is_meta


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_whole_numbers_are_real_ones_where_those_are_meant(dtype):
    whole = torch.tensor([[1, 2], [3, 4]], dtype=dtype)
    assert check_tensor("x", whole).dtype == torch.get_default_dtype()
    assert check_tensor("x", whole).tolist() == [[1, 2], [3, 4]]
    assert check_tensor("x", whole, like=torch.zeros(1).double()).dtype == torch.float64
    labels = check_tensor("y", whole, dtype=LABELS)
    assert labels.dtype == torch.int64
    assert labels.tolist() == [[1, 2], [3, 4]]


def test_what_fits_is_handed_back_as_it_is():
    for x in (X, X.double(), X.half(), X.bfloat16()):
        assert check_tensor("x", x, ("B", 4), finite=True) is x
    assert check_tensor("x", X > 0, dtype=None).dtype == torch.bool
    assert check_tensor("x", X, like=torch.zeros(1)) is X
    for other in (torch.float64, torch.float16, torch.bfloat16):
        assert check_tensor("x", X.to(other), like=X).dtype == torch.float32


@pytest.mark.parametrize(
    ("value", "options", "error", "message"),
    [
        (X > 0, {}, TypeError, "x has dtype torch.bool: expected floating-point numbers"),
        (X + 0j, {}, TypeError, "x has dtype torch.complex64"),
        (X + 0j, {"like": X}, TypeError, "x has dtype torch.complex64: expected torch.float32"),
        (X > 0, {"like": X}, TypeError, "x has dtype torch.bool"),
        (X, {"dtype": LABELS}, TypeError, "x has dtype torch.float32: expected torch.int64"),
        (X, {"dtype": torch.bool}, TypeError, "x has dtype torch.float32: expected torch.bool"),
        (X > 0, {"dtype": LABELS}, TypeError, "x has dtype torch.bool"),
        (X.to_sparse(), {}, TypeError, r"x is sparse or nested: .* \(x.to_dense\(\)\)"),
        (NESTED, {}, TypeError, "x is sparse or nested"),
        (
            QUANTISED,
            {},
            TypeError,
            r"x is quantised: .* x.dequantize\(\)",
        ),
        (X.to("meta"), {}, TypeError, "x is on the meta device"),
        (X.to("meta"), {"like": X}, TypeError, "x is on the meta device"),
        (X, {"like": X.to("meta")}, ValueError, r"x is on cpu: .* on meta, as x.to\(…\)"),
        (X.tolist(), {}, TypeError, "x is a list: expected a torch.Tensor or a NumPy array"),
        (None, {}, TypeError, "x is a NoneType: expected a torch.Tensor"),
        (np.array(["a", "b"]), {}, TypeError, r"x is an array of dtype <U1.*np.unique\(x, "),
        (np.array([None]), {}, TypeError, "x is an array of dtype object: .* np.unique"),
        (np.array(["2026"], "M8[D]"), {}, TypeError, r"x is an array of dtype .*numbers$"),
        (np.ma.masked_array([1.0], [True]), {}, TypeError, "x is a MaskedArray|x is an array"),
        (X, {"shape": ("B", 5)}, ValueError, r"x has shape \(3, 4\): expected \(B, 5\)"),
        (X, {"shape": ("B",)}, ValueError, r"x has shape \(3, 4\): expected \(B,\)"),
        (X, {"shape": (..., 5)}, ValueError, r"expected \(\.\.\., 5\)"),
        (X, {"shape": (2, ...)}, ValueError, r"expected \(2, \.\.\.\)"),
        (X[:, :0], {"shape": ("N", "D")}, ValueError, r"x has shape \(3, 0\): expected \(N, D\)"),
        (X[:, :0], {"shape": (..., "d")}, ValueError, r"x has shape \(3, 0\)"),
        (X, {"least": 4}, ValueError, r"x has shape \(3, 4\): expected at least 4 rows"),
        (torch.tensor(1.0), {"least": 1}, ValueError, r"x has shape \(\): .* at least 1 rows"),
        (X / 0, {"finite": True}, ValueError, r"x\[0, 0\] is -?inf \(and 11 more\): .* finite"),
        (X * torch.nan, {"finite": True}, ValueError, r"x\[0, 0\] is nan"),
    ],
)
def test_what_is_no_such_tensor(value, options, error, message):
    with pytest.raises(error, match=message):
        check_tensor("x", value, **options)


@pytest.mark.parametrize("shape", [("B", 4), (3, "D"), (..., 4), (3, ...), (...,), ("A", "B", ...)])
def test_shapes_that_fit(shape):
    assert check_tensor("x", X, shape) is X


def test_rows_may_be_none_but_dimensions_not():
    assert check_tensor("x", X[:0], ("N", "D")).shape == (0, 4)
    assert check_tensor("x", X[:, :0], ("N", "K")).shape == (3, 0)


def test_same_shapes_and_lengths():
    check_same_shape("x", X, "y", X + 1)
    check_same_length("x", X, "y", X[:, 0])
    for other in (X[:1], X[:, :1], X[0], X[None]):
        with pytest.raises(ValueError, match=r"x has shape \(3, 4\) and y \(.*: .* the same shape"):
            check_same_shape("x", X, "y", other)
    for other in (X[:1], X[0, 0]):
        with pytest.raises(ValueError, match="expected the same number of rows"):
            check_same_length("x", X, "y", other)


def test_the_first_wrong_value_is_named():
    x = torch.tensor([[1.0, 2.0], [-3.5, 4.0]])
    with pytest.raises(ValueError, match=r"^x\[1, 0\] is -3\.5: expected at least 0$"):
        raise_if_any("x", x, x < 0, "at least 0")
    with pytest.raises(ValueError, match=r"^x\[0, 0\] is 1 \(and 2 more\)"):
        raise_if_any("x", x, x > 0, "at most 0")
    raise_if_any("x", x, x > 9, "at most 9")


def test_values_are_not_looked_at_where_that_cannot_be():
    def checked(x):
        return check_tensor("x", x, ("D",), finite=True) * 2

    bad = torch.full((3, 4), torch.nan)
    assert torch.func.vmap(checked)(bad).isnan().all()
    assert torch.func.jacrev(checked)(bad[0]).shape == (4, 4)
    compiled = torch.compile(checked, backend="eager", fullgraph=True)
    assert compiled(bad[0]).isnan().all()
    assert check_tensor("x", bad.to("meta"), finite=True, like=bad.to("meta")).is_meta
    with pytest.raises(ValueError, match="is nan"):
        checked(bad[0])


def test_what_came_in_words():
    assert describe(X) == "a tensor of shape (3, 4) and dtype torch.float32"
    assert describe(X.numpy()) == "an array of shape (3, 4) and dtype float32"
    assert describe(fractions.Fraction(1, 2)) == "a Fraction"
    assert describe(fractions.Fraction) == "the class Fraction"


def test_a_long_value_is_cut_short():
    with pytest.raises(ValueError, match=r"^K='xxx") as error:
        check_count("K", "x" * 10**6)
    assert len(str(error.value)) < 300
