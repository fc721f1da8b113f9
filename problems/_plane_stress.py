"""Plane stress, and Kirsch's plate."""

from torch import Tensor, atan2, cos, sin

from kanpde import diff

Stress = tuple[Tensor, Tensor, Tensor]  # σ_xx, σ_xy, σ_yy


def plane_stress(u: Tensor, v: Tensor, x: Tensor, y: Tensor, young: float = 1.0, ratio: float = 0.3) -> Stress:
    """σ = E / (1 − ν²) ((1 − ν) ε + ν tr ε I) of a thin plate that is free at its faces."""
    plane = young / (1 - ratio**2)
    shear = young / (2 * (1 + ratio))
    along, across = diff(u, x), diff(v, y)
    return plane * (along + ratio * across), shear * (diff(u, y) + diff(v, x)), plane * (across + ratio * along)


def kirsch(x: Tensor, y: Tensor, radius: float, young: float = 1.0, ratio: float = 0.3) -> dict[str, Tensor]:
    """Displacements of an infinite plate with a free round hole about 0 under the tension σ_xx = 1 far away.

    G. Kirsch, Z. Vereines deutscher Ingenieure 42 (1898), 797. The stress at the hole reaches 3, at x = 0.
    """
    kappa, shear = (3 - ratio) / (1 + ratio), young / (2 * (1 + ratio))
    s, angle = radius / (x**2 + y**2).sqrt(), atan2(y, x)
    u = (kappa + 1) / s * cos(angle) + 2 * s * ((1 + kappa) * cos(angle) + cos(3 * angle)) - 2 * s**3 * cos(3 * angle)
    v = (kappa - 3) / s * sin(angle) + 2 * s * ((1 - kappa) * sin(angle) + sin(3 * angle)) - 2 * s**3 * sin(3 * angle)
    return {"u": radius / (8 * shear) * u, "v": radius / (8 * shear) * v}
