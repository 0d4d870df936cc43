"""A network as a small SVG that the page can redraw with every move of a slider; its colours come from the page."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import numpy as np

from ncp.report.network import Module, network_data
from ncp.spaces.multires import STAGES, Code, Stage

LABELS, STEM, HEAD, MARGIN = 48, 58, 54, 4  # all lengths in units of the picture, about a pixel
TOP, LANE, TALL = 34, 58, 34
FUSE, GROW, BOX, SLOT = 9, 5, 5, 6
MODULE = FUSE + GROW + 4 * SLOT + 1
STAGE = 4 * MODULE + 4
WIDTH, HEIGHT = LABELS + STEM + STAGES * STAGE + HEAD + MARGIN, TOP + STAGES * LANE + MARGIN
LANES = [TOP + round(LANE * (k + 0.5)) for k in range(STAGES)]


def network_svg(code: Code) -> str:
    """The picture of a network: every stage has the same place in all pictures, so that they can follow each other."""
    network = network_data(code)
    lines: dict[str, list[str]] = {kind: [] for kind in ("straight", "down", "up", "lane", "join")}
    boxes: list[str] = []
    for number, module in enumerate(network.modules):
        place = sum(other.stage == module.stage for other in network.modules[:number])
        _module(module, LABELS + STEM + (module.stage - 1) * STAGE + place * MODULE, place == 0, lines, boxes)
    for k, stage in enumerate(code.stages, start=1):
        end = LABELS + STEM + (k - 1) * STAGE + stage.modules * MODULE
        lines["lane"] += [f"M{end} {LANES[b]}H{LABELS + STEM + k * STAGE}" for b in range(len(stage.blocks))]
    texts = [*_frame(code, list(network.parts.values()), network.macs), *_ends(code, lines, boxes)]
    drawn = "".join(f'<path class="net-{kind}" d="{"".join(d)}"/>' for kind, d in lines.items())
    label = f"Network {code}: {network.macs / 1e9:.4g} GMACs, {network.params / 1e6:.4g} million parameters"
    return (
        f'<svg class="net" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">'
        f'{"".join(texts)}{drawn}<path class="net-box" d="{"".join(boxes)}"/></svg>'
    )


def _module(module: Module, x: int, first: bool, lines: dict[str, list[str]], boxes: list[str]) -> None:
    """One module at `x`: its fusion, and the blocks of every branch."""
    for kind, source, target in module.edges:
        begin, end = (x + FUSE, x + FUSE + GROW) if kind == "new" else (x, x + FUSE)
        lines["down" if kind == "new" else kind].append(_curve(begin, LANES[source - 1], end, LANES[target - 1]))
    body = x + FUSE + (GROW if first else 0)
    for k, (blocks, channels) in enumerate(zip(module.blocks, module.channels, strict=True)):
        new = k >= sum(edge.kind == "straight" for edge in module.edges)
        lines["lane"].append(f"M{x + FUSE + (GROW if new else 0)} {LANES[k]}H{x + MODULE}")
        boxes += [_box(body + 2 + n * SLOT, LANES[k], channels) for n in range(blocks)]


def _ends(code: Code, lines: dict[str, list[str]], boxes: list[str]) -> Iterator[str]:
    """The stem and the head, and how many channels everything has."""
    begin, end = LABELS + STEM, LABELS + STEM + STAGES * STAGE
    lines["down"] += [f"M{LABELS} {LANES[0]}H{LABELS + 14}", f"M{LABELS + 19} {LANES[0]}H{LABELS + 36}"]
    lines["lane"].append(f"M{LABELS + 41} {LANES[0]}H{begin}")
    for x, channels in zip((LABELS + 14, LABELS + 36), code.stem, strict=True):
        boxes.append(_box(x, LANES[0], channels))
        yield _text(x + 2, LANES[0] - TALL * channels / 256 - 4, str(channels))
    for k, stage in enumerate(code.stages):
        x = begin + k * STAGE + FUSE + GROW + 2
        for branch, channels in enumerate(stage.channels):
            yield _text(x, LANES[branch] - TALL * channels / 256 - 4, str(channels), "net-start")
    lines["join"] += [_curve(end, lane, end + 12, lane) for lane in LANES]
    boxes.append(f"M{end + 12} {LANES[0] - 8}v{LANES[-1] - LANES[0] + 16}h2v{LANES[0] - LANES[-1] - 16}z")
    lines["lane"].append(f"M{end + 14} {LANES[-1]}H{end + HEAD - 4}")
    boxes.append(_box(end + 28, LANES[-1], code.head))
    yield _text(end + 30, LANES[-1] - TALL * code.head / 256 - 4, str(code.head))


def _frame(code: Code, parts: list[int], macs: int) -> Iterator[str]:
    """Lanes and stages with their names, and every stage's share of the cost."""
    for k, lane in enumerate(LANES):
        yield _text(MARGIN, lane - 1, f"1/{4 << k}", "net-start net-faint")
    shares = np.add.reduceat(parts, [0, 1, 3, 6, 10, 15]) / macs
    starts = [LABELS, *(LABELS + STEM + k * STAGE for k in range(STAGES + 1))]
    widths = [STEM, *[STAGE] * STAGES, HEAD]
    names = ["stem", *(_named(k, stage) for k, stage in enumerate(code.stages, start=1)), "head"]
    for x, width, name, share in zip(starts, widths, names, shares.tolist(), strict=True):
        yield f'<path class="net-band" d="M{x + 1} {TOP}h{width - 2}v{STAGES * LANE}h{2 - width}z"/>'
        yield _text(x + width / 2, 13, name)
        yield _text(x + width / 2, 26, f"{share:.0%}" if share >= 0.005 else "<1%", "net-faint")


def _named(number: int, stage: Stage) -> str:
    return f"stage {number} × {stage.modules}"  # noqa: RUF001 (times, not x)


def _curve(x: int, y: int, u: int, v: int) -> str:
    middle = (x + u) / 2
    return f"M{x} {y}H{u}" if y == v else f"M{x} {y}C{middle:g} {y} {middle:g} {v} {u} {v}"


def _box(x: float, y: float, channels: int) -> str:
    height = round(TALL * channels / 128, 1)
    return f"M{x:g} {y - height / 2:g}h{BOX}v{height:g}h-{BOX}z"


def _text(x: float, y: float, text: str, classes: str = "") -> str:
    kind = f' class="{classes}"' if classes else ""
    return f'<text x="{x:g}" y="{y:g}"{kind}>{escape(text)}</text>'
