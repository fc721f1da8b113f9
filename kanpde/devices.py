"""Where tensors are: on the device of the network. Nothing else names a device, but for the CPU where others will not do.

Within `at(device)` what torch makes, it makes there. What lasts longer, in domains and problems, is arrays, or tensors of the
CPU, which `torch.as_tensor` brings along where they are used: it costs nothing where they are there already. Random numbers are
those of the CPU's generators, so that there are the same points and first coefficients on all devices. numpy, scipy, shapely
and sympy know the CPU alone, and get copies there.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import chain
from typing import Annotated, Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor, nn

CPU = torch.device("cpu")

Given = ParamSpec("Given")
Made = TypeVar("Made")
Network = TypeVar("Network", bound=nn.Module)


def here() -> torch.device:
    """Where torch makes tensors at present."""
    return torch.empty(0).device


def device_of(network: nn.Module) -> torch.device:
    """Of all parameters and buffers; where torch makes tensors, if there are none.

    Raises ValueError if they are on several devices.
    """
    devices = {tensor.device for tensor in chain(network.parameters(), network.buffers())} or {here()}
    if len(devices) > 1:
        several = " and ".join(sorted(map(str, devices)))
        raise ValueError(f'the network is on {several}; move all of it to one device, as by network.to("cpu")')
    return devices.pop()


def check_device(device: torch.device) -> None:
    """Raises ValueError if a device is not there, or computes nothing in float64."""
    try:
        torch.ones(1, dtype=torch.float64, device=device).sum().item()
    except Exception as error:  # of any kind, as each backend has its own
        reason = str(error).splitlines()[0].partition(". ")[0]
        raise ValueError(f"nothing can be computed in float64 on the device {device} ({reason}); take cpu") from None


@contextmanager
def at(device: torch.device) -> Iterator[None]:
    """A block, or function, in which torch makes its tensors on the device."""
    if device == here():  # torch would look at every call of its functions for nothing
        yield
    else:
        with device:
            yield


def at_its_device(method: Callable[Concatenate[Network, Given], Made]) -> Callable[Concatenate[Network, Given], Made]:
    """A method of a network, in which torch makes its tensors on the network's device."""

    @wraps(method)
    def there(self: Network, *args: Given.args, **kwargs: Given.kwargs) -> Made:
        with at(device_of(self)):
            return method(self, *args, **kwargs)

    return there


def uniform(*shape: int, random: torch.Generator) -> Annotated[Tensor, "..."]:
    """Uniform numbers on [0, 1), the same ones on every device."""
    return torch.as_tensor(torch.rand(shape, generator=random, dtype=torch.float64, device=CPU))


def normal(*shape: int, random: torch.Generator) -> Annotated[Tensor, "..."]:
    """Normal numbers, the same ones on every device."""
    return torch.as_tensor(torch.randn(shape, generator=random, dtype=torch.float64, device=CPU))
