"""Quasi-random points: they fill the unit cube more evenly than independent ones.

They are those of scipy, whose statistics are imported when the first are asked for: that takes half a second, and what makes
no points, as `kanpde --help`, does not need them.
"""

from math import ceil, log2
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

UnitCube = Annotated[Tensor, "points dimension"]


def sobol(count: int, dimension: int, seed: int = 0, scrambled: bool = True) -> UnitCube:
    """The first of Sobol's points (Zh. Vych. Mat. Mat. Fiz. 7, 1967), scrambled at random unless told otherwise."""
    from scipy.stats import qmc

    engine = qmc.Sobol(dimension, scramble=scrambled, rng=np.random.default_rng(seed))
    return torch.as_tensor(engine.random_base2(ceil(log2(max(count, 2))))[:count])


def halton(count: int, dimension: int, seed: int) -> UnitCube:
    """Scrambled points of Halton (Numer. Math. 2, 1960)."""
    from scipy.stats import qmc

    return torch.as_tensor(qmc.Halton(dimension, rng=np.random.default_rng(seed)).random(count))


def latin_hypercube(count: int, dimension: int, seed: int) -> UnitCube:
    """Each of `count` slices of each axis holds one point."""
    from scipy.stats import qmc

    return torch.as_tensor(qmc.LatinHypercube(dimension, rng=np.random.default_rng(seed)).random(count))
