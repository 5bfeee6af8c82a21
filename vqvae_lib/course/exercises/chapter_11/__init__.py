"""Checks of chapter 11, Data augmentation and generation.

No check looks at the test digits: accuracy is measured on the validation digits, whose writers and
labels the answer has not seen.
"""
