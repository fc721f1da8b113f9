"""Exact per-point Jacobians: recorders evaluate a network at points and then give columns made of it with their Jacobians.

Points are independent, so that one backward pass of Σ_i r_i holds the derivatives of every row.
"""

from collections.abc import Mapping
from itertools import accumulate
from typing import Annotated, Protocol

import torch
from torch import Tensor, nn

from kanpde.derivatives import Column
from kanpde.layers import Inputs, Record
from kanpde.networks import KAN


class Recorder(Protocol):
    """Evaluates a network at points and afterwards gives columns made of it with their Jacobians."""

    def evaluate(self, inputs: Tensor) -> Tensor: ...
    def linearized(self, residual: Column) -> Annotated[Tensor, "points coefficients+1"]: ...
    def clear(self) -> None: ...


class Tape:
    """The edge functions that an evaluation used: what an exact Jacobian by the coefficients is made of.

    Coefficients enter a KAN through S_k = Σ_m T_m⁽ᵏ⁾ c_m alone. Points are independent, so one backward pass of Σ_i r_i
    gives ∂r_i/∂S_k for every point i, and row i of the Jacobian is its product with T⁽ᵏ⁾ at point i.
    """

    def __init__(self, network: "KAN") -> None:
        self.network = network
        self.record: Record = []

    def evaluate(self, inputs: Inputs) -> Annotated[Tensor, "points outputs"]:
        return self.network(inputs, self.record)

    def linearized(self, residual: Column) -> Annotated[Tensor, "points coefficients+1"]:
        """(∂r_i/∂c, r_i) for one residual column; its graph is kept for the next."""
        used = [(f, order) for layer, f in self.record for order in f.values if layer.table.requires_grad]
        gradients = torch.autograd.grad(
            residual.sum(), [f.value(order) for f, order in used], retain_graph=True, allow_unused=True
        )
        layers = [layer for layer in self.network.layers if layer.table.requires_grad]
        ends = list(accumulate(layer.table.numel() for layer in layers))
        result = residual.new_zeros(len(residual), ends[-1] + 1)  # the residual in its last column spares a copy later on
        result[:, -1:] = residual.detach()
        local: dict[int, Tensor] = {}
        for (f, order), gradient in zip(used, gradients, strict=True):
            if gradient is not None:
                terms, gradient = f.terms(order)[..., None], gradient[:, :, None]
                local[id(f)] = local[id(f)].addcmul_(terms, gradient) if id(f) in local else terms * gradient
        blocks = {
            layer: result[:, end - layer.table.numel() : end].unflatten(1, layer.table.shape)
            for layer, end in zip(layers, ends, strict=True)
        }
        for layer, f in self.record:
            if id(f) in local:
                rows = f.rows.flatten(1)[..., None].expand(-1, -1, layer.table.shape[1])
                blocks[layer].scatter_add_(1, rows, local[id(f)].flatten(1, 2))
        return result

    def clear(self) -> None:
        """Free the graphs: edge functions and the tensors that they cache refer to each other."""
        for _, f in self.record:
            f.values.clear()
        self.record.clear()


class Copies:
    """A recorder for any module: each point has its own copy of the parameters.

    Points are independent, so the gradient of Σ r_i with respect to point i's copy is row i of the Jacobian.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.copies: list[dict[str, Tensor]] = []

    def evaluate(self, inputs: Tensor) -> Tensor:
        copies = {
            name: p.detach().expand(len(inputs), *p.shape).requires_grad_()
            for name, p in self.network.named_parameters()
            if p.requires_grad
        }
        self.copies.append(copies)

        def one(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
            return torch.func.functional_call(self.network, parameters, (x[None],))[0]

        return torch.func.vmap(one)(copies, inputs)

    def linearized(self, residual: Column) -> Annotated[Tensor, "points coefficients+1"]:
        total: Tensor | None = None
        for copies in self.copies:
            gradients = torch.autograd.grad(
                residual.sum(), list(copies.values()), retain_graph=True, allow_unused=True, materialize_grads=True
            )
            rows = torch.cat([g.reshape(len(g), -1) for g in gradients], 1)
            total = rows if total is None else total + rows
        assert total is not None
        return torch.cat([total, residual.detach()], 1)

    def clear(self) -> None:
        self.copies.clear()


def recorder(network: nn.Module) -> Recorder:
    return Tape(network) if isinstance(network, KAN) else Copies(network)


class Recorders:
    """Those of a network and of the parameters' networks, whose columns stand side by side, in this order."""

    def __init__(self, network: nn.Module, parameters: Mapping[str, nn.Module]) -> None:
        self.network = recorder(network)
        self.parameters = {name: recorder(own) for name, own in parameters.items()}

    def linearized(self, residual: Column) -> Annotated[Tensor, "points coefficients+1"]:
        rows = self.network.linearized(residual)
        if not self.parameters:  # the common case is not copied
            return rows
        return torch.cat([rows[:, :-1], self.by_parameters(residual), rows[:, -1:]], 1)

    def by_parameters(self, residual: Column) -> Annotated[Tensor, "points coefficients"]:
        """The columns of the parameters alone, which have to be there."""
        return torch.cat([own.linearized(residual)[:, :-1] for own in self.parameters.values()], 1)

    def clear(self) -> None:
        for own in (self.network, *self.parameters.values()):
            own.clear()
