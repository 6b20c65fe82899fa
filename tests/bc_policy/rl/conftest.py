"""One thread for all that learns here: two that wait for each other spin, and where another process
has one of the cores a toy's steps take ten times as long.
"""

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
