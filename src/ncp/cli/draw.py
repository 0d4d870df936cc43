"""`ncp draw`: a picture of one architecture, or of two with what differs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ncp.cli.options import PICTURE, AsJson, CodeArgument, read_code, require_file
from ncp.cli.output import print_json, written

if TYPE_CHECKING:
    from ncp.report.network import Network


def draw(
    code: CodeArgument,
    other: Annotated[str | None, typer.Argument(metavar="[CODE2]", help="Another one, to compare with it.")] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The picture, which ends in .svg, .png or .pdf.")
    ] = Path("net.svg"),
    as_json: AsJson = False,
) -> None:
    """Draw an architecture, or two with what differs."""
    require_file(out, "out", PICTURE)
    first, second = read_code(code), None if other is None else read_code(other)
    from ncp.report.network import comparison_data, draw_network, network_data

    if second is None:
        network = network_data(first)
        draw_network(network, out)
        document = facts(network)
    else:
        compared = comparison_data(first, second)
        draw_network(compared, out)
        a, b = compared.first, compared.second
        difference = {"macs": b.macs - a.macs, "params": b.params - a.params}
        document = {"networks": [facts(a), facts(b)], "changed": compared.changed, "difference": difference}
    if as_json:
        print_json(document | {"path": out})
    else:
        written(out)


def facts(network: Network) -> dict[str, Any]:
    """What the picture of one network shows, as JSON holds it."""
    from ncp.report.network import CLASSES, IMAGE_SIZE

    return {
        "code": str(network.code),
        "image_size": [IMAGE_SIZE, IMAGE_SIZE],
        "classes": CLASSES,
        "macs": network.macs,
        "params": network.params,
        "parts": network.parts,
        "modules": [m._asdict() | {"edges": [edge._asdict() for edge in m.edges]} for m in network.modules],
    }
