"""Autoencoders, variational autoencoders and their hybrid quantum relatives."""

__version__ = "0.1.0"
