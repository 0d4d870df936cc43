"""Load a trained network of any kind from its file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ncp.errors import DataError, quoted
from ncp.network.clip_net import ClipNet
from ncp.network.net import MultiResolutionNet
from ncp.network.network_file import read_network
from ncp.network.pillar_net import PillarNet

NETWORKS: dict[str, Callable[..., MultiResolutionNet | PillarNet]] = {
    each.__name__: each for each in (MultiResolutionNet, ClipNet, PillarNet)
}
"""The networks that files can describe, by the names of their classes."""


def load_network(path: str | Path) -> MultiResolutionNet | PillarNet:
    """Build the network that a file describes, and load its weights.

    >>> net = load_network("runs/3f2a/weights.safetensors")  # doctest: +SKIP
    >>> net.classes  # doctest: +SKIP
    ('cat', 'dog')

    Args:
        path: a file that `ncp.train` wrote.

    Returns:
        a `MultiResolutionNet`, a `ClipNet` or a `PillarNet` in evaluation mode. `classes` has the names of its classes,
        `metadata` what else the file says, such as the size and normalisation of the input.

    Raises:
        DataError: the file cannot be read, is damaged, or does not describe its network.
    """
    file = read_network(path)
    network = NETWORKS.get(file.description.network)
    if network is None:
        known = ", ".join(NETWORKS)
        raise DataError(f"{path} has a network of the kind {quoted(file.description.network)}. Known are {known}.")
    return file.built(network)
