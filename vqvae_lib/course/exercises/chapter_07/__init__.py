"""Checks of chapter 7, The hybrid VQVAE."""
