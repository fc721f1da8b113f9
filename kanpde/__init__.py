"""kanpde: partial differential equations solved with physics-informed Kolmogorov–Arnold networks."""

from kanpde.bases import Hat, Splines
from kanpde.boxes import Box, Interval
from kanpde.bumps import Gaussian, MexicanHat
from kanpde.conditions import Condition, Dirichlet, Integral, Interface, Neumann, Periodic, Robin
from kanpde.cross_check import CrossCheck
from kanpde.derivatives import curl, diff, div, grad, laplacian
from kanpde.factorizations import LSMR, QR, ByDamping, BySize, NormalEquations
from kanpde.fitting import fit
from kanpde.history import Stage
from kanpde.inverse import CoefficientField, Parameter
from kanpde.journal import Checkpoint
from kanpde.layers import Product
from kanpde.logs import JSONLines
from kanpde.manufactured import manufactured
from kanpde.marching import Marching
from kanpde.marking import Marked
from kanpde.mesh_domain import MeshDomain
from kanpde.modes import Chebyshev, Fourier
from kanpde.networks import KAN, MLP
from kanpde.observations import Observations
from kanpde.optimizers import LBFGS, Adam, LevenbergMarquardt, SSBroyden
from kanpde.polygons import Polygon
from kanpde.problem import Problem
from kanpde.progress import Callback, Progress
from kanpde.refinement import Adaptive, Grids
from kanpde.rounds import Ball, Disk, Ellipse
from kanpde.sampling import CompositeGauss, GaussLegendre, Graded, Halton, LatinHypercube, ResidualAdaptive, Sobol, Uniform
from kanpde.solution import Solution
from kanpde.solver import solve
from kanpde.studies import Study, convergence_study
from kanpde.sweeps import Sweep, sweep
from kanpde.symbols import LIBRARY, Elementary
from kanpde.tensor_product import TensorProduct
from kanpde.verification import Formula

__version__ = "0.1.0"

__all__ = [
    "KAN",
    "LBFGS",
    "LIBRARY",
    "LSMR",
    "MLP",
    "QR",
    "Adam",
    "Adaptive",
    "Ball",
    "Box",
    "ByDamping",
    "BySize",
    "Callback",
    "Chebyshev",
    "Checkpoint",
    "CoefficientField",
    "CompositeGauss",
    "Condition",
    "CrossCheck",
    "Dirichlet",
    "Disk",
    "Elementary",
    "Ellipse",
    "Formula",
    "Fourier",
    "GaussLegendre",
    "Gaussian",
    "Graded",
    "Grids",
    "Halton",
    "Hat",
    "Integral",
    "Interface",
    "Interval",
    "JSONLines",
    "LatinHypercube",
    "LevenbergMarquardt",
    "Marching",
    "Marked",
    "MeshDomain",
    "MexicanHat",
    "Neumann",
    "NormalEquations",
    "Observations",
    "Parameter",
    "Periodic",
    "Polygon",
    "Problem",
    "Product",
    "Progress",
    "ResidualAdaptive",
    "Robin",
    "SSBroyden",
    "Sobol",
    "Solution",
    "Splines",
    "Stage",
    "Study",
    "Sweep",
    "TensorProduct",
    "Uniform",
    "convergence_study",
    "curl",
    "diff",
    "div",
    "fit",
    "grad",
    "laplacian",
    "manufactured",
    "solve",
    "sweep",
]
