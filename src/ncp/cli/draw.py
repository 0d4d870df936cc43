"""`ncp draw`: a picture of one architecture, or of two and how they differ."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ncp.cli.options import PICTURE, AsJson, CodeArgument, read_code, require_file
from ncp.cli.output import earlier_file, print_json, written


def draw(
    code: CodeArgument,
    other: Annotated[str | None, typer.Argument(metavar="CODE2", help="A second architecture to compare.")] = None,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE", help="The picture: .svg, or with matplotlib .png or .pdf."),
    ] = Path("net.svg"),
    as_json: AsJson = False,
) -> None:
    """Draw an architecture, or two and how they differ."""
    require_file(out, "out", PICTURE)
    first, second = read_code(code), None if other is None else read_code(other)
    from ncp.report.formats import require_ending, save
    from ncp.report.network_drawing import network_picture
    from ncp.report.network_facts import comparison_facts, document_of, network_facts

    require_ending(out)
    replaced = earlier_file(out)
    if second is None:
        network = network_facts(first)
        save(network_picture(network), out)
        document = document_of(network)
    else:
        compared = comparison_facts(first, second)
        save(network_picture(compared), out)
        a, b = compared.first, compared.second
        difference = {"macs": b.macs - a.macs, "params": b.params - a.params}
        document = {"networks": [document_of(a), document_of(b)], "changed": compared.changed, "difference": difference}
    if as_json:
        print_json(document | {"path": out})
    written(out, replaced=replaced, as_json=as_json)
