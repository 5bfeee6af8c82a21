"""Exercises that answer back: `check.ex_01_1(my_answer)`.

The check of exercise K in chapter NN is `chapter_NN/exercise_K.py`, whole: the answer it expects,
the reference solution, and what it says about each likely mistake. What all checks share is in
`checks` (finding and running them), `answers` (reading an answer), `verdicts` (what they say) and
`digits` (the data).
"""

from vqvae_lib.course.exercises.checks import Checks
from vqvae_lib.course.exercises.typical import typical_answers
from vqvae_lib.course.exercises.verdicts import Verdict

__all__ = ["Verdict", "check", "typical_answers"]
check = Checks()
