"""Checks of chapter 9, Image generation."""
