"""Tests of the quantum layer."""
