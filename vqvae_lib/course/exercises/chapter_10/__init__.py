"""Checks of chapter 10, Dimensionality reduction and feature extraction."""
