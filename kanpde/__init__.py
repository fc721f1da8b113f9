"""kanpde: partial differential equations solved with physics-informed Kolmogorov–Arnold networks."""

__version__ = "0.1.0"

from kanpde.conditions import Condition, Dirichlet, Neumann, Periodic, Robin
from kanpde.derivatives import curl, diff, div, grad, laplacian
from kanpde.domains import Box
from kanpde.networks import KAN, MLP, Product
from kanpde.problem import Problem
