"""The mechanism of checks: it answers in time, in sentences, and is not fooled."""

import contextlib
import re
import threading
import time

import numpy as np
import pytest
import torch

from vqvae_lib.course.exercises import Verdict, check, checks, time_limit
from vqvae_lib.course.exercises.answers import (
    as_tensor,
    call,
    expect_number,
    expect_tensor,
    recognise,
    refuse_nan,
)
from vqvae_lib.course.exercises.verdicts import NotAttempted, Right, Wrong


def ask(function, *answer):
    return checks.run_check(function, answer)


def doubled(answer):
    """A function that doubles."""
    if call(answer, 3) != 6:
        raise Wrong("value", "expected 6")
    return Right("well done")


def test_right_wrong_and_unattempted():
    assert ask(doubled, lambda x: 2 * x).status == "right"
    assert ask(doubled, lambda x: x).kind == "value"
    assert ask(doubled, ...).status == "unattempted"
    assert ask(doubled, None).status == "unattempted"

    def stub(x):
        pass

    def ellipsis(x):
        return ...

    def planned(x):
        raise NotImplementedError

    for empty in (stub, ellipsis, planned):
        assert ask(doubled, empty).status == "unattempted"


def test_a_function_that_returns_nothing_in_one_case_only_is_wrong_there():
    def thrice(answer):
        """A function of numbers, tensors and two numbers."""
        for arguments in ((3,), (torch.ones(2), 4), (1, 2)):
            call(answer, *arguments)
        return Right("all answered")

    def only_one(x, y=0):
        return x if y == 0 else None

    def no_whole_pairs(x, y=0):
        return ... if y == 2 else x

    for answer, given in ((only_one, "a tensor of shape (2,), 4"), (no_whole_pairs, "1, 2")):
        verdict = ask(thrice, answer)
        assert verdict.kind == "returns-nothing"
        assert verdict.message.startswith(f"For {given} your function returns nothing")
    assert ask(thrice, lambda *a: None).status == "unattempted"


def test_a_second_function_may_still_be_empty():
    def two(first, second):
        """Two functions."""
        return Right(str(call(first, 1) + call(second, 1)))

    assert ask(two, lambda x: x, lambda x: None).status == "unattempted"
    assert ask(two, lambda x: x, lambda x: 2).message == "3"


def test_not_implemented_in_a_package_is_an_error_and_no_empty_answer():
    class Model(torch.nn.Module):
        pass

    verdict = ask(doubled, lambda x: Model()(torch.ones(x)))
    assert (verdict.status, verdict.kind) == ("wrong", "raises")
    assert 'missing the required "forward"' in verdict.message


def test_verdict_shows_its_sign_its_text_and_code():
    verdict = Verdict("wrong", "use `x_train` & <not> x", "kind")
    assert repr(verdict) == "✗ Not yet. use `x_train` & <not> x"
    html = verdict._repr_html_()
    assert "<code>x_train</code> &amp; &lt;not&gt;" in html
    assert 'role="status"' in html


def test_learner_s_error_is_one_sentence_with_the_learner_s_line():
    def broken(x):
        numbers = [1, 2]
        return numbers[x]

    verdict = ask(doubled, broken)
    assert verdict.kind == "raises"
    assert "IndexError: list index out of range" in verdict.message
    assert "`return numbers[x]`" in verdict.message
    assert "Traceback" not in verdict.message
    assert "vqvae_lib" not in verdict.message


def test_a_long_line_of_the_learner_s_is_cut():
    def broken(x):
        return [x, 1, 2, 3][x + 10] + sum([1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008])

    (line,) = re.findall("`(.*)`", ask(doubled, broken).message)
    assert line.startswith("return [x, 1, 2, 3][x + 10]")
    assert line.endswith("...")
    assert len(line) == 80


def test_error_inside_the_check_is_a_sentence_too():
    def fragile(answer):
        """A list of numbers."""
        return Right(str(answer[0] + 1))

    verdict = ask(fragile, {"no": "list"})
    assert verdict.kind == "unusable"
    assert "Expected: A list of numbers." in verdict.message
    assert "Traceback" not in verdict.message


def test_exit_and_interrupt_in_an_answer_are_sentences_at_once():
    for what in (SystemExit, KeyboardInterrupt):

        def leaves(x, what=what):
            raise what

        verdict = ask(doubled, leaves)
        assert verdict.kind == "raises"  # "time", if it had gone on to the limit
        assert what.__name__ in verdict.message


def test_line_named_is_the_learner_s_and_not_a_package_s():
    def broken(x):
        return torch.nn.Linear(2, 2)(torch.ones(3))

    assert "`return torch.nn.Linear(2, 2)(torch.ones(3))`" in ask(doubled, broken).message


def test_checks_complete_by_the_tab_key():
    names = dir(check)
    assert {"ex_01_1", "ex_01_2", "ex_01_3", "ex_01_4", "ex_09_5"} <= set(names)
    assert names == sorted(set(names))


def test_every_check_is_found_and_says_what_it_expects():
    for name in dir(check):
        run = getattr(check, name)
        assert run.__doc__, name
        assert len(run.__doc__.strip().splitlines()[0]) > 20, name


def test_wrong_number_of_arguments_is_told():
    verdict = ask(doubled, 1, 2)
    assert verdict.kind == "arguments"
    assert "answer" in verdict.message


@pytest.mark.parametrize(
    "loop",
    [
        "while True: pass",
        "while True:\n    try: x += 1\n    except Exception: pass",
        "while True:\n    try:\n        while True: x += 1\n    except BaseException: pass",
    ],
    ids=["plain", "catches errors", "catches everything"],
)
def test_endless_answers_are_stopped(loop, monkeypatch):
    monkeypatch.setattr(checks, "TIME_LIMIT", 0.2)
    space = {}
    body = "\n".join("    " + line for line in loop.split("\n"))
    exec(f"def endless(x):\n{body}", space)
    verdict = ask(doubled, space["endless"])
    assert verdict.kind == "time"
    assert "is there an endless loop, or are there very many steps?" in verdict.message


def test_time_in_which_an_answer_computes_nothing_does_not_count(monkeypatch):
    """As on a busy machine, where a right answer waits for the processor."""
    monkeypatch.setattr(checks, "TIME_LIMIT", 0.1)

    def slow(x):
        time.sleep(0.5)
        return 2 * x

    assert ask(doubled, slow).status == "right"


def test_an_answer_that_waits_for_ever_is_stopped_too(monkeypatch):
    monkeypatch.setattr(checks, "PATIENCE", 0.3)
    never = threading.Event()

    def waits(x):
        while not never.wait(0.01):
            pass

    verdict = ask(doubled, waits)
    assert verdict.kind == "time"
    assert "Stopped after 0.3 s: what does your code wait for?" in verdict.message
    assert "still running" not in verdict.message

    verdict = ask(doubled, lambda x: never.wait())
    assert "what does your code wait for? It is still running" in verdict.message
    never.set()


def test_nothing_goes_on_running_after_a_plain_endless_loop(monkeypatch):
    monkeypatch.setattr(checks, "TIME_LIMIT", 0.1)
    before = threading.active_count()

    def endless(x):
        while True:
            x += 1

    ask(doubled, endless)
    for _ in range(50):
        if threading.active_count() <= before:
            break
        time.sleep(0.1)
    assert threading.active_count() <= before


def test_nothing_is_printed_of_a_thread_that_is_stopped_twice(monkeypatch):
    """A second exception may come while the first is being caught."""
    told = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    hook = threading.excepthook
    suppress = contextlib.suppress
    monkeypatch.setattr(
        time_limit.contextlib,
        "suppress",
        lambda *kinds: suppress(*(kind for kind in kinds if kind is not time_limit.StopNow)),
    )
    monkeypatch.setattr(checks, "TIME_LIMIT", 0.1)

    def endless(x):
        while True:
            pass

    assert ask(doubled, endless).kind == "time"
    assert not told
    assert threading.excepthook is hook


def test_other_threads_errors_are_told_meanwhile(monkeypatch):
    told = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.exc_type))

    def with_a_thread(x):
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        return 2 * x

    assert ask(doubled, with_a_thread).status == "right"
    assert told == [ZeroDivisionError]


def test_time_limit_works_without_signals_and_clocks_of_threads(monkeypatch):
    """Windows has neither, macOS no clocks of other threads; the mechanism must not need them."""
    import signal

    monkeypatch.delattr(signal, "alarm", raising=False)
    monkeypatch.delattr(signal, "setitimer", raising=False)
    monkeypatch.delattr(time, "pthread_getcpuclockid", raising=False)
    monkeypatch.setattr(checks, "TIME_LIMIT", 0.1)

    def endless(x):
        while True:
            pass

    assert ask(doubled, endless).kind == "time"


def test_answers_in_place_do_not_change_the_check_s_data():
    x = torch.ones(3)

    def in_place(t):
        t.zero_()
        return t

    call(in_place, x)
    assert torch.equal(x, torch.ones(3))


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6.0).reshape(2, 3)[::-1],
        list(np.arange(6.0).reshape(2, 3)[::-1]),
        list(torch.arange(6.0).reshape(2, 3).flip(0)),
        tuple(torch.arange(6.0).reshape(2, 3).flip(0)),
        [[3.0, 4.0, 5.0], [0.0, 1.0, 2.0]],
        [[torch.tensor(3.0), 4.0, 5.0], [0.0, 1.0, 2.0]],
    ],
    ids=["backwards", "NumPy's rows", "rows", "tuple of rows", "numbers", "a tensor inside"],
)
def test_as_tensor_takes_arrays_and_lists(value):
    assert as_tensor(value).tolist() == [[3.0, 4.0, 5.0], [0.0, 1.0, 2.0]]


def test_as_tensor_gives_back_what_is_neither():
    for value in ("two", {"a": 1}, [torch.ones(2), torch.ones(3)], [torch.ones(2), "b"]):
        assert as_tensor(value) is value
    assert as_tensor(np.array(2.5)).shape == ()


def test_expect_tensor_accepts_numpy_and_names_what_is_wrong():
    assert expect_tensor(np.ones((2, 3)), (2, 3), what="x").dtype == torch.float64
    for value, kind in (
        (torch.ones(3, 2), "shape"),
        ("two", "type"),
        ([[1.0], [2.0, 3.0]], "type"),
        (torch.ones(2, 3) + 0j, "type"),
        (torch.full((2, 3), float("nan")), "not-finite"),
    ):
        with pytest.raises(Wrong, match="x: ") as raised:
            expect_tensor(value, (2, 3), what="x")
        assert raised.value.kind == kind


def test_expect_tensor_says_that_numbers_are_complex():
    with pytest.raises(Wrong, match=r"x: expected real numbers, got complex ones .*complex64"):
        expect_tensor(torch.ones(4, dtype=torch.complex64), (4,), what="x")


def test_expect_tensor_accepts_complex_numbers_where_asked():
    value = expect_tensor([1j, 2.0], (2,), what="x", dtype=torch.complex128)
    assert value.tolist() == [1j, 2.0]
    assert expect_tensor([1.0], (1,), what="x", dtype=torch.complex128).is_complex()
    for other, kind in (([1j], "shape"), ([1j, complex(0, float("nan"))], "not-finite")):
        with pytest.raises(Wrong) as raised:
            expect_tensor(other, (2,), what="x", dtype=torch.complex128)
        assert raised.value.kind == kind


def test_expect_tensor_lets_minus_infinity_pass_where_asked():
    value = [0.0, -float("inf")]
    assert expect_tensor(value, (2,), what="x", infinite=True).tolist() == value
    for other in ([0.0, float("inf")], [0.0, float("nan")]):
        with pytest.raises(Wrong, match=r"NaN or \+infinity"):
            expect_tensor(other, (2,), what="x", infinite=True)


def test_expect_number(recwarn):
    assert expect_number(torch.tensor(2.5), what="x") == 2.5
    assert expect_number(torch.tensor(2.5, requires_grad=True), what="x") == 2.5
    assert not recwarn.list
    for value, kind in (
        ("two", "type"),
        ("0.3", "type"),
        (float("inf"), "not-finite"),
        (torch.ones(2), "type"),
    ):
        with pytest.raises(Wrong) as raised:
            expect_number(value, what="x")
        assert raised.value.kind == kind


@pytest.mark.parametrize("of", [complex, np.complex128, np.complex64, np.array, torch.tensor])
def test_expect_number_takes_a_complex_one_without_an_imaginary_part(of, recwarn):
    assert expect_number(of(0.5 + 1e-18j), what="x") == 0.5
    assert not recwarn.list
    with pytest.raises(
        Wrong, match=r"x: got the complex number 0\.5\+0\.7j, but the answer is real"
    ):
        expect_number(of(0.5 + 0.7j), what="x")


def test_refuse_nan_gives_back_all_else():
    for value in (torch.ones(2), "two", 3.0):
        assert refuse_nan(value, "hole", "a nan") is value
    for value in (torch.tensor([1.0, torch.nan]), np.array([np.nan]), float("nan"), [1.0, np.nan]):
        with pytest.raises(Wrong, match="a nan") as raised:
            refuse_nan(value, "hole", "a nan")
        assert raised.value.kind == "hole"


def test_recognise_names_the_mistake_or_the_largest_difference():
    truth = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
    recognise(truth.clone(), truth, [])
    with pytest.raises(Wrong) as raised:
        recognise(-truth, truth, [("sign", -truth, "a sign is flipped")])
    assert raised.value.kind == "sign"
    off = truth.clone()
    off[1, 0] = 9.0
    with pytest.raises(Wrong, match=r"\(1, 0\): expected 3.0000, got 9.0000"):
        recognise(off, truth, [])
    with pytest.raises(Wrong, match=r"^For mu = 2: expected 3.0000, got 9.0000"):
        recognise(off, truth, [], case="mu = 2")


def test_recognise_compares_and_prints_complex_numbers():
    truth = torch.tensor([[1.0, 2j], [3.0, 4.0]], dtype=torch.complex128)
    recognise(truth.clone(), truth, [])
    with pytest.raises(Wrong) as raised:
        recognise(truth.conj(), truth, [("conjugate", truth.conj(), "conjugated")])
    assert raised.value.kind == "conjugate"
    with pytest.raises(Wrong, match=r"\(0, 1\): expected 0.0000\+2.0000j, got 0.0000-2.0000j"):
        recognise(truth.conj(), truth, [])


def test_recognise_names_no_entry_of_a_single_number():
    for shape in ((), (1,)):
        with pytest.raises(Wrong, match=r"^Expected 1.0000, got 3.0000\.$"):
            recognise(torch.full(shape, 3.0).double(), torch.ones(shape), [])


@pytest.mark.parametrize("name", ["ex_1_1", "ex_99_1", "ex_01_99", "nonsense"])
def test_unknown_check_is_an_attribute_error(name):
    with pytest.raises(AttributeError, match=name):
        getattr(check, name)


def test_call_needs_a_function():
    with pytest.raises(Wrong, match="Expected a function"):
        call(3, 1)
    with pytest.raises(NotAttempted):
        call(..., 1)
