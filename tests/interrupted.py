"""A small training run that can be killed: by the parent in a test, as another process.

``python -m tests.interrupted CHECKPOINT WHERE THREADS`` trains, says "here" at WHERE and then
waits to be killed: "step", in the middle of an epoch, or "write", in the middle of writing the
checkpoint.
"""

import os
import sys
import time
from pathlib import Path

import torch
from torch import nn

from vqvae_lib import DenoisingAutoencoder, fit

EPOCHS = 6


def model(seed=1):
    """All that draws: noise from the generator, dropout from torch; and buffers that move."""
    torch.manual_seed(seed)
    encoder = nn.Sequential(
        nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Dropout(0.2), nn.Linear(16, 2)
    )
    return DenoisingAutoencoder(encoder, nn.Linear(2, 6), noise_std=0.3)


def x():
    return torch.randn(100, 6, generator=torch.Generator().manual_seed(2))


def train(network, checkpoint, **settings):
    defaults = {
        "epochs": EPOCHS,
        "batch_size": 16,
        "lr": 0.02,
        "x_valid": x()[:30] + 0.1,
        "patience": 4,
        "schedule": lambda epoch: 0.8**epoch,
        "seed": 3,
    }
    return fit(network, x(), checkpoint=checkpoint, **defaults | settings)


def _stop_here():
    print("here", flush=True)
    time.sleep(600)


if __name__ == "__main__":
    checkpoint, where, threads = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(threads)
    network, calls = model(), 0
    if where == "step":
        loss = DenoisingAutoencoder.loss

        def counted(network, batch, *, generator):
            global calls
            calls += network.training
            if calls == 3 * 7 + 4:  # the fourth of seven steps, after three epochs
                _stop_here()
            return loss(network, batch, generator=generator)

        # Of the class: an attribute of the model would be a setting, and this another run.
        DenoisingAutoencoder.loss = counted
    else:
        flush = os.fsync

        def counted_flush(file):
            global calls
            calls += 1
            if calls == 9:  # two for the start and each epoch: the fourth is on its way
                _stop_here()
            flush(file)

        os.fsync = counted_flush
    train(network, checkpoint)
