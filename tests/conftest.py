"""Two threads, as everywhere in this project: results and timings are compared between machines."""

import torch

torch.set_num_threads(2)
