"""Checks of chapter 1, Autoencoders."""
