"""Five peaks, learned one after the other: what a network still knows of those before (the KAN paper, section 3.5).

While a peak is learned, only values near it are seen. A spline is nonzero on a few spans alone, so that learning here leaves
what is elsewhere as it was; Chebyshev polynomials and neurons are everywhere, and forget. Plain PyTorch on `KAN` and `MLP`:
no equation is involved. The activations of the KANs, which are everywhere too, stay as they are.
"""

from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from kanpde import KAN, MLP, Chebyshev

PEAKS = (-0.8, -0.4, 0.0, 0.4, 0.8)
X = torch.linspace(-1, 1, 500, dtype=torch.float64)[:, None]


def target(x: Tensor) -> Tensor:
    return torch.stack([torch.exp(-300 * (x - c) ** 2) for c in PEAKS]).sum(0)


def main(iterations: int = 300, folder: Path = Path("out")) -> dict[str, list[float]]:
    """Relative L2 error on all peaks seen so far, after each of them, by network."""
    networks = {
        "KAN of splines": KAN([1, 1], grid=100, degree=3),
        "KAN of Chebyshev polynomials": KAN([1, 1], grid=60, basis=Chebyshev()),
        "MLP": MLP([1, 64, 64, 1]),
    }
    found: dict[str, list[float]] = {}
    figure = Figure(figsize=(12, 6), layout="constrained")
    axes = figure.subplots(len(networks), len(PEAKS), sharex=True, sharey=True)
    for (name, network), row in zip(networks.items(), axes, strict=True):
        begin(network)
        found[name] = []
        for number, (x, frame) in enumerate(zip(X.chunk(len(PEAKS)), row, strict=True)):
            learn(network, x, iterations)
            seen = X[: (number + 1) * len(x)]
            with torch.no_grad():
                missed = network(seen) - target(seen)
                found[name].append((missed.norm() / target(seen).norm()).item())
                frame.plot(X, network(X), color="tab:blue", label="network")
            frame.plot(X, target(X), color="black", linewidth=0.8, linestyle=":", label="all peaks")
            frame.axvspan(x.min().item(), x.max().item(), color="tab:orange", alpha=0.2, linewidth=0, label="seen now")
            frame.set(ylim=(-0.6, 1.4), title=f"error so far {found[name][-1]:.0e}")
        row[0].set_ylabel(name.replace(" of ", "\nof "))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    folder.mkdir(exist_ok=True)
    figure.savefig(folder / "continual_learning.png", dpi=150)
    print(f"{'after peak':<30}" + "".join(f"{number + 1:>9}" for number in range(len(PEAKS))))
    for name, errors in found.items():
        print(f"{name:<30}" + "".join(f"{error:>9.0e}" for error in errors))
    return found


def begin(network: nn.Module) -> None:
    """KANs start at zero, and keep the weights of their activations."""
    for layer in network.layers if isinstance(network, KAN) else []:
        layer.table.data.zero_()
        layer.table.register_hook(lambda gradient, own=layer: gradient.index_fill(0, own.activation_row, 0.0))


def learn(network: nn.Module, x: Tensor, iterations: int) -> None:
    """The values at these points, from where the network is."""
    optimizer = torch.optim.LBFGS(
        network.parameters(),
        max_iter=iterations,
        history_size=50,
        line_search_fn="strong_wolfe",
        tolerance_grad=1e-12,
        tolerance_change=1e-14,
    )

    def loss() -> float:
        optimizer.zero_grad()
        mean = (network(x) - target(x)).square().mean()
        mean.backward()
        return mean.item()

    optimizer.step(loss)


if __name__ == "__main__":
    main()
