"""Weights of trained networks in safetensors, with what is needed to build the network in their metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from ncp.io.files import plain, whole_file


def save_network(net: nn.Module, path: str | Path, metadata: Mapping[str, Any]) -> None:
    """Write the weights of a network.

    Raises:
        DataError: the file cannot be written.
    """
    weights = {name: weight.detach().cpu().contiguous() for name, weight in net.state_dict().items()}
    with whole_file(path) as temporary:
        save_file(weights, temporary, {"ncp": json.dumps(plain(metadata), sort_keys=True)})
