"""What only the course needs: derivations that run, exercises that answer, figures that move.

The library proper (`vqvae_lib`) never imports this package.
"""
