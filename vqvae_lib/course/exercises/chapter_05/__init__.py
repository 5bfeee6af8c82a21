"""Checks of chapter 5, Trainable circuits."""
