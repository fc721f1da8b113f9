"""Where conditions hold: the parts of a domain's boundary that they lie on, checked before any work."""

import torch

from kanpde.conditions import AnyCondition, Integral, Interface, Neumann, Periodic, Robin
from kanpde.domains import SLACK, AnyPart, Domain, Part, Point
from kanpde.functions import about
from kanpde.quadrature import Quadrature

TRIALS = 64  # points of an interface whose sides are looked at


def part_of(what: str, condition: AnyCondition, domain: Domain, unknowns: tuple[str, ...]) -> AnyPart | Quadrature:
    """The part of the domain's boundary that a condition lies on, or the nodes and weights of its integral.

    Raises TypeError or ValueError for what is no condition, has no such part, or is of none of the unknowns.
    """
    if not isinstance(condition, AnyCondition):
        raise TypeError(
            f"{what} is {condition!r}; give a Dirichlet, Neumann, Robin, Periodic, Interface, Integral or Condition"
        )
    of = getattr(condition, "of", None)
    if of is not None and of not in unknowns:
        raise ValueError(f"{what} is of {of!r}; the unknowns are {', '.join(unknowns)}: give one of them as of=, or drop it")
    if of is None and hasattr(condition, "of") and len(unknowns) > 1:
        raise ValueError(f"{what} does not say of which unknown: add of= one of {unknowns}")
    if isinstance(condition, Periodic):
        if condition.axis not in domain.intervals:
            known = ", ".join(domain.intervals) or "none"
            raise ValueError(
                f"{domain} has no axis {condition.axis!r} to be periodic along; its axes that are intervals: {known}"
            )
        return Part(domain, ((condition.axis, 0),))
    if isinstance(condition, Integral):
        with about(what):
            return condition.region(domain)
    if isinstance(condition, Interface):
        return _interface(what, condition, domain)
    if isinstance(condition.on, AnyPart):
        with about(what):
            own = domain.own(condition.on)
        if own is None:
            raise ValueError(
                f"{what} lies on {condition.on}, but the domain is {domain}; take the part from that "
                "domain, or from one that it is made of"
            )
        if isinstance(own, Point) and isinstance(condition, Neumann | Robin):
            raise ValueError(
                f"{what} takes the normal of {own!r}, which has none; give the derivative itself, as in "
                f"Condition(lambda …: diff(u, {domain.names[0]}), on=…)"
            )
        return own
    if callable(condition.on):
        return Part(domain, domain.faces).where(condition.on)
    raise TypeError(f"{what} lies on {condition.on!r}; give a face, box.boundary(…), box.point(…) or a predicate")


def _interface(what: str, condition: Interface, domain: Domain) -> Part:
    part = condition.on
    if not isinstance(part, Part):
        raise TypeError(f"{what} lies on {part!r}; give the boundary of one of the materials, as in on=disk.boundary()")
    if part.domain.names != domain.names:
        raise ValueError(
            f"{what} lies on {part} with the axes {', '.join(part.domain.names)}, but the domain has "
            f"{', '.join(domain.names)}; give a part of the boundary of a domain with the same ones in the same "
            "order, as (disk * Box(t=(0, 1))).boundary('x', 'y') where there is time"
        )
    points, normals = part.sample(torch.rand(TRIALS, part.dimension, generator=torch.Generator().manual_seed(0)).double())
    step = Interface.STEP * (domain.high - domain.low).max().item() * normals
    sides = domain.contains(points - step, -SLACK) & domain.contains(points + step, -SLACK)
    if not sides.all() or not len(points):
        at = f", at {domain.place(points[~sides][0])}" if len(points) else ""
        raise ValueError(
            f"{what} lies on {part}, which has not both of its sides in {domain}{at}; an interface runs between "
            "two materials: take the faces inside of the domain, or a part of them by where(…)"
        )
    return part
