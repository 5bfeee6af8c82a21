"""Checks of chapter 3, The VAE."""
