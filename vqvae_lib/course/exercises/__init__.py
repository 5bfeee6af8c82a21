"""Exercises that answer back: `check.ex_01_1(my_answer)`.

The mechanism is in `mechanism`; the checks of chapter NN are the functions of `chapter_NN`.
"""

from vqvae_lib.course.exercises.mechanism import Checks, Verdict

__all__ = ["Verdict", "check"]

check = Checks()
