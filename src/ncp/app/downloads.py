"""Files to download: a table as csv, a program, an ONNX network, or a report to read offline."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ncp.app.dataset import Dataset, open_dataset
from ncp.app.found import Found
from ncp.cost import Counting
from ncp.io.files import write_json
from ncp.optim.results import Row
from ncp.progress import Progress
from ncp.spaces.multires import Code
from ncp.spaces.space import Space


def csv_of(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A table as csv; missing values are empty."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([heads, *rows])
    return text.getvalue().encode()


def python_of(space: Space, row: Row, provenance: dict[str, Any]) -> bytes:
    """A program that builds the network of a row; in another space it holds the code only."""
    docstring = f'"""A code that ncp {provenance["version"]} found: {_predicted(row)}."""\n\n'
    if space.has_network:
        cost = f"{provenance['image_size']!r}, {provenance['classes']!r}, {provenance['task']!r}"
        body = (
            "import ncp\n\n"
            f"code = ncp.Code.parse({row.code!r})\n"
            f"net = ncp.MultiResolutionNet(code, task={provenance['task']!r}, num_classes={provenance['classes']!r})\n"
            f"print(ncp.macs(code, {cost}), ncp.params(code))\n"
        )
    else:
        body = f"code = {dict(zip(space.names, row.vector, strict=True))!r}\ntext = {row.code!r}\n"
    return (docstring + body).encode()


def _predicted(row: Row) -> str:
    """The predicted values of a row, escaped for a docstring."""
    values = ", ".join(f"{column} {value.mean:.2f}" for column, value in row.predicted.items())
    return repr(f"predicted {values}")[1:-1].replace('"', "'")


def onnx_of(code: Sequence[int], counting: Counting, folder: Path, _: Progress) -> bytes:
    """The network with random weights as an ONNX file, checked against PyTorch.

    Raises:
        MissingExtraError: the extra `export` is not installed.
    """
    from ncp.network.export import export
    from ncp.network.net import MultiResolutionNet

    net = MultiResolutionNet(Code.from_vector(code), task=counting.task, num_classes=counting.classes)
    path = folder / "network.onnx"
    export(net, path, format="onnx", image_size=counting.image_size)
    return path.read_bytes()


def report_of(found: Found, dataset: Dataset, folder: Path, _: Progress) -> bytes:
    """The report of a search, as `ncp report` writes it.

    Raises:
        MissingExtraError: the extra `report` is not installed.
    """
    from ncp.report.html import write_report

    with TemporaryDirectory(dir=folder) as temporary:
        source, page = Path(temporary) / found.name, Path(temporary) / "report.html"
        write_json(source, found.document)
        if found.trace is not None and found.trace.is_file():
            shutil.copyfile(found.trace, source.with_name("trace.json"))
        write_report(source, page, open_dataset(dataset).table)
        return page.read_bytes()
