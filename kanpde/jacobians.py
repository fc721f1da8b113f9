"""Exact per-point Jacobians: recorders evaluate a network at points and then give columns made of it with their Jacobians.

Points are independent, so that one backward pass of Σ_i r_i holds the derivatives of every row.
"""

from collections.abc import Mapping
from itertools import accumulate
from typing import Annotated, Protocol

import torch
from torch import Tensor, nn

from kanpde.derivatives import Column
from kanpde.layers import EdgeFunctions, Inputs, Layer, Record
from kanpde.networks import KAN
from kanpde.pieces import Dense, Edges, Local, Piece, Vector


class Recorder(Protocol):
    """Evaluates a network at points and afterwards gives columns made of it with their Jacobians."""

    def evaluate(self, inputs: Tensor) -> Tensor: ...
    def linearized(self, residual: Column) -> Piece: ...
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

    def linearized(self, residual: Column) -> Local:
        """(∂r_i/∂c, r_i) for one residual column; its graph is kept for the next."""
        return Local(self._edges(residual.sum()), residual.detach(), self._starts[1])

    def gradient(self, loss: Tensor) -> Vector:
        """Of a number that may depend on all points together; its graph is kept."""
        total = loss.new_zeros(self._starts[1])
        for part in self._edges(loss):
            for own in map(part.input, range(part.functions.rows.shape[1])):
                total[own.block.columns] += own.transposed_times(loss.new_ones(len(own.gradients))).flatten()
        return total

    @property
    def _starts(self) -> tuple[dict[Layer, int], int]:
        """Columns of the layers that are not frozen, and the number of all."""
        layers = [layer for layer in self.network.layers if layer.table.requires_grad]
        ends = list(accumulate((layer.table.numel() for layer in layers), initial=0))
        return dict(zip(layers, ends, strict=False)), ends[-1]

    def _edges(self, total: Tensor) -> list[Edges]:
        starts, _ = self._starts
        used = [(f, order) for layer, f in self.record if layer in starts for order in f.values]
        found = torch.autograd.grad(total, [f.value(order) for f, order in used], retain_graph=True, allow_unused=True)
        gradients: dict[EdgeFunctions, dict[int, Tensor]] = {}
        for (f, order), gradient in zip(used, found, strict=True):
            if gradient is not None:
                gradients.setdefault(f, {})[order] = gradient
        return [Edges(f, orders, starts[f.layer]) for f, orders in gradients.items()]

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

    def linearized(self, residual: Column) -> Dense:
        total: Tensor | None = None
        for copies in self.copies:
            gradients = torch.autograd.grad(
                residual.sum(), list(copies.values()), retain_graph=True, allow_unused=True, materialize_grads=True
            )
            rows = torch.cat([g.reshape(len(g), -1) for g in gradients], 1)
            total = rows if total is None else total + rows
        assert total is not None
        return Dense(torch.cat([total, residual.detach()], 1))

    def clear(self) -> None:
        self.copies.clear()


def recorder(network: nn.Module) -> Recorder:
    return Tape(network) if isinstance(network, KAN) else Copies(network)


class Recorders:
    """Those of a network and of the parameters' networks, whose columns stand side by side, in this order."""

    def __init__(self, network: nn.Module, parameters: Mapping[str, nn.Module]) -> None:
        self.network = recorder(network)
        self.parameters = {name: recorder(own) for name, own in parameters.items()}

    def linearized(self, residual: Column) -> Piece:
        piece = self.network.linearized(residual)
        if not self.parameters:
            return piece
        rows = piece.dense()
        return Dense(torch.cat([rows[:, :-1], self.by_parameters(residual), rows[:, -1:]], 1))

    def by_parameters(self, residual: Column) -> Annotated[Tensor, "points coefficients"]:
        """The columns of the parameters alone, which have to be there."""
        return torch.cat([own.linearized(residual).dense()[:, :-1] for own in self.parameters.values()], 1)

    def clear(self) -> None:
        for own in (self.network, *self.parameters.values()):
            own.clear()
