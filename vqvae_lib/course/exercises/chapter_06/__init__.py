"""Checks of chapter 6, The quantum autoencoder."""
