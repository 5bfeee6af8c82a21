"""Checks of chapter 2, Latent variables and the ELBO."""
