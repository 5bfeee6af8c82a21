"""What a trained model is good for: inpainting, super-resolution, styles, codes, odd and new data.

Each application is a module of its own and takes any trained `VAE` or `VQVAE` with your data.
Whatever is random takes a generator, and whatever can be wrong is tested against a linear model,
for which the answer is known.
"""

__all__: list[str] = []
