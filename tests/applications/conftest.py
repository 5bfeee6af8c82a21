"""Each test starts from the same global seed, whatever ran before it."""

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded_weights():
    torch.manual_seed(0)
