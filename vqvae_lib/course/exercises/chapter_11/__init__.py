"""Checks of chapter 11, Data augmentation and generation.

No check looks at the test digits: accuracy is measured on training digits whose labels the answer
does not see.
"""
