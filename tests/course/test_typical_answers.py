"""Typical wrong answers: the replies are the check's own."""

import pytest

from tests.course.test_measured import masked
from vqvae_lib.course.exercises import check, typical_answers
from vqvae_lib.course.exercises.verdicts import Verdict


def judge(answer, scale=1.0):
    if answer == 1:
        return Verdict("right", "Yes.")
    return Verdict("wrong", f"Off by {scale * (answer - 1):.4f}: use `1` & no other.")


def test_each_wrong_answer_stands_beside_its_reply():
    shown = typical_answers(judge, {"One <too> many.": 2})
    html = shown._repr_html_()
    assert html.startswith('<details class="vq-typical">')
    assert "<dt>One &lt;too&gt; many.</dt>" in html
    assert 'Off by <span class="vq-number">1.0000</span>: use <code>1</code> &amp; no' in html
    assert repr(shown) == "One <too> many. – Off by ≈1.0000: use `1` & no other."


def test_digits_of_a_reply_are_not_compared():
    one, other = (
        typical_answers(lambda a, s=scale: judge(a, s), {"Two.": 2}) for scale in (1.0, 1.5)
    )
    assert repr(one) != repr(other)
    assert masked(repr(one)) == masked(repr(other))
    assert masked(one._repr_html_()) == masked(other._repr_html_())


def test_a_right_answer_is_no_typical_wrong_one():
    with pytest.raises(ValueError, match=r"'Right\.': expected a wrong answer, but the check says"):
        typical_answers(judge, {"Right.": 1})
    with pytest.raises(ValueError, match="expected a wrong answer"):
        typical_answers(check.ex_01_1, {"Nothing yet.": ...})


def test_an_answer_of_several_parts_is_a_tuple():
    shown = typical_answers(lambda a, b: judge(a + b), {"Three.": (1, 2)})
    assert "Off by ≈2.0000" in repr(shown)


def test_nothing_to_show_is_refused():
    with pytest.raises(ValueError, match="answers is empty"):
        typical_answers(judge, {})
    with pytest.raises(TypeError, match="check is str"):
        typical_answers("check.ex_01_1", {"x": 1})
