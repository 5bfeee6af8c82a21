"""Every public callable under the catalogue of bad inputs; and the attack itself, tried out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.bad_inputs import attack as attack_module
from tests.bad_inputs.attack import Call, attack
from tests.bad_inputs.public import Public, calls_of, collect, missing_parameters
from vqvae_lib._checks import check_count, check_tensor

PUBLIC = collect()


@pytest.mark.parametrize("public", PUBLIC, ids=str)
def test_bad_inputs_are_refused_in_one_sentence_and_friendly_ones_taken(public: Public) -> None:
    calls = calls_of(public)
    assert calls, f"tests/bad_inputs/calls/{public.table}.py has no {public.name!r}"
    assert not missing_parameters(public), "expected all parameters in the table of calls"
    failed = [o for call in calls for o in attack(public.function, call) if o.failed]
    assert not failed, "\n".join([f"{len(failed)} values at {public}:", *map(str, failed)])


def test_many_callables_are_found() -> None:
    names = {str(public) for public in PUBLIC}
    assert {
        "vqvae_lib.bounds.elbo",
        "vqvae_lib.vae.VAE",
        "vqvae_lib.vae.VAE.sample",
        "vqvae_lib.quantum.compiled.engine.Compiled",
    } <= names
    assert not {name for name in names if "course" in name or "._" in name}
    assert len(names) > 200


# ---------------------------------------------------------------- the attack itself


@pytest.fixture
def _as_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the functions of this file count as the library's."""
    monkeypatch.setattr(attack_module, "LIBRARY", Path(__file__).parent)


def rows() -> dict[str, object]:
    return {"x": torch.arange(12.0).reshape(4, 3), "K": 2}


def careful(x: torch.Tensor, K: int) -> torch.Tensor:
    try:
        x = check_tensor("x", x, ("B", 3), least=1, finite=True)
        K = check_count("K", K)
    except (TypeError, ValueError) as error:
        raise type(error)(str(error)) from None
    return x * K


def verdicts(function: object, **table: object) -> dict[tuple[str, str], str]:
    outcomes = attack(function, Call(rows, **table))  # type: ignore[arg-type]
    return {(o.argument, o.label): o.verdict for o in outcomes}


@pytest.mark.usefixtures("_as_library")
def test_a_careful_function_passes() -> None:
    found = verdicts(careful)
    assert found["x", "None"] == found["K", "beyond all memory"] == "refused"
    assert found["x", "an array read backwards"] == found["K", "np.int64"] == "same"
    assert not {key: v for key, v in found.items() if v in attack_module.FAILURES}


@pytest.mark.usefixtures("_as_library")
def test_what_is_swallowed_is_caught_unless_the_table_has_a_reason() -> None:
    def swallows(x: torch.Tensor, K: int) -> torch.Tensor:
        return careful(x, 2)

    assert verdicts(swallows)["K", "text"] == "accepted"
    found = verdicts(swallows, accepts={"K": {"zero, negative": "a reason"}})
    assert found["K", "zero"] == found["K", "negative"] == "listed"
    assert found["K", "text"] == "accepted"
    found = verdicts(careful, accepts={"K": {"zeros": "misspelt"}})
    assert found["K", "zeros"] == "no such label"


@pytest.mark.usefixtures("_as_library")
def test_errors_from_within_torch_are_caught_wherever_they_surface() -> None:
    def trusts(x: torch.Tensor, K: int) -> torch.Tensor:
        return torch.nn.functional.linear(x, torch.ones(2, 3)) * check_count("K", K)

    def asserts(x: torch.Tensor, K: int) -> torch.Tensor:
        assert isinstance(x, torch.Tensor), "x is no tensor"
        return careful(x, K)

    def passes_on(x: torch.Tensor, K: int) -> torch.Tensor:
        return torch.nn.Linear(3, 2)(x)

    for function in (trusts, asserts, passes_on):
        assert verdicts(function)["x", "None"] == "inner traceback"
    assert verdicts(trusts)["x", "float64"] == "not taken"


@pytest.mark.usefixtures("_as_library")
def test_an_error_that_does_not_name_the_argument_is_caught() -> None:
    def mumbles(x: torch.Tensor, K: int) -> torch.Tensor:
        try:
            return careful(x, K)
        except (TypeError, ValueError):
            raise ValueError("something is wrong, maybe extra or the Kind") from None

    assert verdicts(mumbles)["x", "None"] == verdicts(mumbles)["K", "None"] == "inner traceback"
    named = verdicts(mumbles, named={"x": "extra"})
    assert named["x", "None"] == "refused"


@pytest.mark.usefixtures("_as_library")
def test_a_friendly_value_with_another_result_is_caught() -> None:
    def rounds(x: torch.Tensor, K: int) -> torch.Tensor:
        """Compute in the data's own dtype: a half of whole numbers is a whole number."""
        careful(x, K)
        x = torch.as_tensor(x.copy() if hasattr(x, "copy") else x)
        return (x * 0.5).to(x.dtype)

    found = verdicts(rounds)
    assert found["x", "whole numbers"] == "different"
    assert found["x", "float64"] == "same"


@pytest.mark.usefixtures("_as_library")
def test_huge_numbers_may_pass_if_the_result_is_finite() -> None:
    def squares(x: torch.Tensor, K: int) -> torch.Tensor:
        return careful(x, K).square()

    assert verdicts(careful)["x", "huge"] == "listed"
    assert verdicts(squares)["x", "huge"] == "accepted"


@pytest.mark.usefixtures("_as_library")
def test_endless_work_and_memory_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attack_module, "SECONDS", 0.2)

    def endless(x: torch.Tensor, K: int) -> torch.Tensor:
        x = careful(x, 2)
        for _ in range(int(K) if K == 10**12 else 2):
            x = x * 1
        return torch.empty(8 << 30, dtype=torch.uint8) if K == 0 else x

    found = verdicts(endless)
    assert found["K", "beyond all memory"] == "inner traceback"
    assert found["K", "zero"] == "inner traceback"
