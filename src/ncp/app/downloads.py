"""What a found code can be taken away as: a program, or a network for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ncp.app.facts import Counting
from ncp.multires import MULTIRES, Code
from ncp.predictors.base import Progress
from ncp.searchers.result import Row
from ncp.space import Space


def python_of(space: Space, row: Row, asked: dict[str, Any]) -> bytes:
    """A program that builds the network, or holds the code of another space."""
    told = f'"""A code that ncp {asked["version"]} found: {_said(row)}."""\n\n'
    if space == MULTIRES:
        cost = f"{asked['image_size']!r}, {asked['classes']!r}, {asked['task']!r}"
        body = (
            "import ncp\n\n"
            f"code = ncp.Code.parse({row.code!r})\n"
            f"net = ncp.MultiResolutionNet(code, task={asked['task']!r}, num_classes={asked['classes']!r})\n"
            f"print(ncp.macs(code, {cost}), ncp.params(code))\n"
        )
    else:
        body = f"code = {dict(zip(space.names, row.vector, strict=True))!r}\ntext = {row.code!r}\n"
    return (told + body).encode()


def _said(row: Row) -> str:
    values = ", ".join(f"{column} {value.mean:.2f}" for column, value in row.predicted.items())
    return repr(f"predicted {values}")[1:-1].replace('"', "'")


def onnx_of(code: Sequence[int], counting: Counting, folder: Path, _: Progress) -> bytes:
    """The network with random weights as a file of ONNX, checked.

    Raises:
        MissingExtraError: the extra `export` is not installed.
    """
    from ncp.export import export
    from ncp.network import MultiResolutionNet

    net = MultiResolutionNet(Code.from_vector(code), task=counting.task, num_classes=counting.classes)
    path = folder / "network.onnx"
    export(net, path, format="onnx", image_size=counting.image_size)
    return path.read_bytes()
