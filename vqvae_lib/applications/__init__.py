"""What a trained model is good for: inpainting, super-resolution, style, reduction, augmentation.

Each application is one function or class, in a module of its own, that takes any trained `VAE` or
`VQVAE` and the reader's data. What is random takes a generator; what can be wrong is tested against
a linear model, for which the answer is known.
"""

__all__: list[str] = []
