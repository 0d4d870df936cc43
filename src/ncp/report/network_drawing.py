"""Drawings of networks: one lane per branch, fusions and blocks from left to right; of two networks, what differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ncp.cost import Counting
from ncp.report.network_facts import DEFAULT, Module, Network, NetworkPair, differing_blocks, network_facts
from ncp.report.svg import Path, Picture, Text, rectangle
from ncp.spaces.multires import MULTIRES, STAGES, Code

NARROWEST, LEAST, MARGIN = 96.0, 740.0, 14.0  # all lengths are in pixels
TITLE, ROW, LEGEND_ROW, SWATCH, ENTRY, COLUMN = 48.0, 17.0, 19.0, 26.0, 130.0, 236.0
LINES: dict[str, tuple[str, float, str, str]] = {
    "straight": ("ink", 1.2, "", "3 x 3 convolution, stride 1"),
    "down": ("blue", 1.2, "", "3 x 3 convolution, stride 2"),
    "up": ("green", 1.2, "3 1.4", "1 x 1 convolution, upsampled by 2"),
    "join": ("edge", 1.1, "1.5 1.5", "resized, then concatenated"),
    "lane": ("edge", 0.7, "", ""),
}
"""Per kind of line its colour, width, dashes and legend."""
BOXES = {"box": "residual block; height = channels", "paper": "convolution of stem or head"}
MARKS = {"mark": "differs from the other network", "mark-band": "module that the other lacks"}


@dataclass(frozen=True)
class Layout:
    """Where the parts of a drawing are, and how large.

    Attributes:
        stages: left edges of the stages, and the right edge of the last.
        modules: width of one module, per stage.
        detailed: whether texts are spelled out and sums are marked.
        labels: width of the lanes' labels.
        head: width of the head.
        top: height of the stages' names.
        lane: height of a lane.
        tall: height of a block of 128 channels.
        fuse: width of a fusion.
        grow: width of the first convolution of a new branch.
        box: width of a block.
        slot: from one block to the next.
        pad: from a fusion to the first block.
        size: font size.
    """

    stages: tuple[float, ...]
    modules: tuple[float, ...]
    detailed: bool
    labels: float
    head: float
    top: float
    lane: float
    tall: float
    fuse: float
    grow: float
    box: float
    slot: float
    pad: float
    size: float

    @property
    def width(self) -> float:
        """Width of the drawing."""
        return self.stages[-1] + self.head


ROOM = 1330.0
"""The widest detailed drawing whose texts are legible in the width of a page [pixels]."""
COMPACT = Layout(
    stages=tuple(106.0 + 160 * k for k in range(STAGES + 1)),
    modules=(39.0,) * STAGES,
    detailed=False,
    labels=48,
    head=54,
    top=34,
    lane=60,
    tall=34,
    fuse=9,
    grow=5,
    box=5,
    slot=6,
    pad=2,
    size=9.5,
)
"""A small drawing in which every stage has the same place, whatever the network: drawings can replace each other."""


def _fitted(networks: Sequence[Network]) -> Layout:
    """A detailed drawing, in which each stage is as wide as the largest of the networks needs."""
    labels, stem, fuse, grow, slot, pad = 66.0, 106.0, 36.0, 18.0, 10.0, 9.0
    counts = np.array([[(stage.modules, max(stage.blocks)) for stage in network.code.stages] for network in networks])
    modules, blocks = counts.max(axis=0).T
    widths = fuse + 2 * pad + slot * blocks
    needed = np.maximum(widths * modules + np.array([0, *[grow] * (STAGES - 1)]), NARROWEST)
    return Layout(
        stages=tuple((labels + stem + np.cumsum([0, *needed])).tolist()),
        modules=tuple(widths.tolist()),
        detailed=True,
        labels=labels,
        head=126,
        top=40,
        lane=78,
        tall=46,
        fuse=fuse,
        grow=grow,
        box=7,
        slot=slot,
        pad=pad,
        size=11,
    )


@dataclass
class _Drawing:
    """The parts of one network's drawing, collected by kind so that each kind is one shape."""

    layout: Layout
    top: float
    bands: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    lines: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in LINES})
    dots: list[str] = field(default_factory=list)
    boxes: dict[str, list[str]] = field(default_factory=lambda: {"box": [], "paper": [], "mark": [], "box-edge": []})
    texts: list[Text] = field(default_factory=list)

    def lane(self, branch: int) -> float:
        """The middle of a branch's lane; branches are counted from 0."""
        return self.top + self.layout.top + self.layout.lane * (branch + 0.5)

    def line(self, kind: str, x: float, y: float, u: float, v: float) -> None:
        """A line from `(x, y)` to `(u, v)` that leaves and arrives level."""
        middle = (x + u) / 2
        level = f"M{x:g} {y:g}H{u:g}"
        curve = f"M{x:g} {y:g}C{middle:g} {y:g} {middle:g} {v:g} {u:g} {v:g}"
        self.lines[kind].append(level if y == v else curve)

    def box(self, x: float, y: float, channels: int, colour: str) -> None:
        """A block or convolution in the lane at `y`."""
        height = round(self.layout.tall * channels / 128, 1)
        self.boxes[colour].append(rectangle(x, y - height / 2, self.layout.box, height))

    def channels(self, x: float, y: float, channels: int, other: int) -> None:
        """The number of channels above a box, marked where the other network has another number."""
        differs = channels != other
        above = y - self.layout.tall * channels / 256 - 3.5
        colour = "mark" if differs else "ink"
        self.text(x, above, str(channels), anchor="middle", fill=colour, bold=differs)

    def text(self, x: float, y: float, text: str, fill: str = "ink", anchor: str = "start", bold: bool = False) -> None:
        """A text at a place."""
        self.texts.append(Text(x, y, text, self.layout.size, fill, anchor, bold))

    def items(self) -> list[Path | Text]:
        """All parts in the order in which they are drawn."""
        shapes = [Path("".join(self.bands), "band"), Path("".join(self.missing), "mark-band")]
        for kind in reversed(LINES):
            colour, width, dash, _ = LINES[kind]
            shapes.append(Path("".join(self.lines[kind]), stroke=colour, width=width, dash=dash))
        shapes.append(Path("".join(self.dots), "box-edge"))
        shapes += [Path("".join(d), colour, "box-edge", 0.7) for colour, d in self.boxes.items()]
        return [*(shape for shape in shapes if shape.d), *self.texts]


def network_element(code: Code, counting: Counting = DEFAULT) -> str:
    """The compact drawing of a network, as an element of a page whose styles include `picture_css()`.

    Args:
        code: the network.
        counting: how its cost is counted, of which the drawing shows every stage's share.
    """
    network = network_facts(code, counting)
    height = COMPACT.top + STAGES * COMPACT.lane + 4
    items = _drawn(network, network.code, COMPACT, 0.0)
    return Picture(COMPACT.width + 4, height, f"Network {code}", items).element("net")


def explained_picture(code: Code, counting: Counting = DEFAULT) -> Picture:
    """The drawing of a network with its legend, for a page that says its code and cost.

    It is detailed, unless that is wider than `ROOM`.

    Args:
        code: the network.
        counting: how its cost is counted, of which the drawing shows every stage's share.
    """
    network = network_facts(code, counting)
    fitted = _fitted([network])
    layout = fitted if fitted.width <= ROOM else COMPACT
    width = max(layout.width + MARGIN, LEAST)
    legend, height = _legend(layout.top + STAGES * layout.lane + MARGIN, width, False, layout.detailed)
    return Picture(width, height, _label(network), [*_drawn(network, network.code, layout, 0.0), *legend])


def network_picture(data: Network | NetworkPair) -> Picture:
    """The detailed drawing of a network, or of two, one above the other with the same stages at the same place."""
    networks = [data] if isinstance(data, Network) else [data.first, data.second]
    layout = _fitted(networks)
    width = max(layout.width + MARGIN, LEAST)
    items: list[Path | Text] = []
    y = 0.0
    for n, network in enumerate(networks):
        letter = f"{'AB'[n]}:  " if len(networks) > 1 else ""
        pixels = " x ".join(map(str, network.counting.sides))
        title = f"{letter}{_cost(network)} at {pixels} pixels, {network.counting.classes} classes"
        items += [Text(MARGIN, y + 24, title, 14, bold=True), Text(MARGIN, y + 42, str(network.code))]
        items += _drawn(network, networks[n - 1].code, layout, y + TITLE)
        y += TITLE + layout.top + STAGES * layout.lane + MARGIN
    if isinstance(data, NetworkPair):
        changes, y = _changes(data, y, width)
        items += changes
    legend, height = _legend(y, width, len(networks) > 1)
    return Picture(width, height, " and ".join(map(_label, networks)), [*items, *legend])


def _cost(network: Network) -> str:
    return f"{network.macs / 1e9:#.4g} GMACs, {network.params / 1e6:#.4g} M params"


def _label(network: Network) -> str:
    return f"Network {network.code}: {_cost(network)}"


def _drawn(network: Network, other: Code, layout: Layout, top: float) -> list[Path | Text]:
    """Stem, modules and head below `top`, with what differs from `other` marked."""
    drawing = _Drawing(layout, top)
    _add_frame(drawing, network)
    numbers = [number for stage in network.code.stages for number in range(stage.modules)]
    for module, number in zip(network.modules, numbers, strict=True):
        _add_module(drawing, network.code, other, module, number)
    _add_ends(drawing, network, other)
    return drawing.items()


def _add_frame(drawing: _Drawing, network: Network) -> None:
    """The names of lanes and stages, and every stage's share of the cost."""
    layout, detailed = drawing.layout, drawing.layout.detailed
    left = MARGIN if detailed else 4.0
    for k in range(STAGES):
        y = drawing.lane(k)
        drawing.text(left, y - 1, f"stride {4 << k}" if detailed else f"1/{4 << k}", "ink" if detailed else "faint")
        if detailed:
            drawing.text(left, y + 12, f"branch {k + 1}", "faint")
    times = [f"stage {s} × {stage.modules}" for s, stage in enumerate(network.code.stages, start=1)]  # noqa: RUF001
    edges = [layout.labels, *layout.stages, layout.width]
    for k, (name, share) in enumerate(zip(["stem", *times, "head"], network.shares, strict=True)):
        x, end = edges[k], edges[k + 1]
        drawing.bands.append(rectangle(x + 1, drawing.top + layout.top, end - x - 2, STAGES * layout.lane))
        percent = f"{share:.0%}" if share >= 0.005 else "<1%"
        drawing.text((x + end) / 2, drawing.top + layout.top - 21, name, anchor="middle")
        cost = f"{percent} of MACs" if detailed else percent
        drawing.text((x + end) / 2, drawing.top + layout.top - 8, cost, "faint", "middle")


def _add_module(drawing: _Drawing, code: Code, other: Code, module: Module, number: int) -> None:
    """The fusion and the blocks of a stage's module, which is the `number`-th from 0."""
    layout, s = drawing.layout, module.stage - 1
    first, last = number == 0, number + 1 == code.stages[s].modules
    x = layout.stages[s] + number * layout.modules[s] + (0 if first or s == 0 else layout.grow)
    fused = x + layout.fuse
    body = fused + (layout.grow if first and s > 0 else 0)
    end = layout.stages[s + 1] if last else body + layout.modules[s] - layout.fuse
    if number >= other.stages[s].modules:
        tall = module.stage * layout.lane
        drawing.missing.append(rectangle(x, drawing.top + layout.top, layout.modules[s], tall))
    for kind, source, target in module.edges:
        begin, arrive = (fused, body) if kind == "new" else (x, fused)
        y = drawing.lane(target - 1)
        drawing.line("down" if kind == "new" else kind, begin, drawing.lane(source - 1), arrive, y)
        if kind in ("straight", "new"):
            drawing.line("lane", arrive, y, end, y)
        if kind == "straight" and layout.detailed:
            drawing.dots.append(_dot(fused, y))
    marked = differing_blocks(code.stages[s], other.stages[s], number)
    for k, channels in enumerate(module.channels):
        place, y = body + layout.pad, drawing.lane(k)
        for n, differs in enumerate(marked[k]):
            drawing.box(place + n * layout.slot, y, channels, "mark" if differs else "box")
        if first or layout.detailed:
            middle = place + ((len(marked[k]) - 1) * layout.slot + layout.box) / 2
            drawing.channels(middle, y, channels, other.stages[s].channels[k])


def _add_ends(drawing: _Drawing, network: Network, other: Code) -> None:
    """The stem with its two convolutions, and the head that joins all branches."""
    layout, code = drawing.layout, network.code
    begin, end, box = layout.stages[0], layout.stages[-1], layout.box
    first, last = drawing.lane(0), drawing.lane(STAGES - 1)
    if layout.detailed:
        drawing.text(layout.labels + 6, first + 4, "image")
    places = (begin - 48, begin - 20)
    drawing.line("down", places[0] - 10, first, places[0], first)
    drawing.line("down", places[0] + box, first, places[1], first)
    drawing.line("lane", places[1] + box, first, begin, first)
    for x, channels, before in zip(places, code.stem, other.stem, strict=True):
        drawing.box(x, first, channels, "paper" if channels == before else "mark")
        drawing.channels(x + box / 2, first, channels, before)
    for k in range(STAGES):
        drawing.line("join", end, drawing.lane(k), end + 14, drawing.lane(k))
    drawing.boxes["box-edge"].append(rectangle(end + 14, first - 8, 2, last - first + 16))
    drawing.line("lane", end + 16, last, end + 46, last)
    drawing.box(end + 28, last, code.head, "paper" if code.head == other.head else "mark")
    drawing.channels(end + 28 + box / 2, last, code.head, other.head)
    if layout.detailed:
        drawing.text(end + 50, last + 4, f"{network.counting.classes} classes")


def _dot(x: float, y: float, radius: float = 2.3) -> str:
    r, c = radius, 0.5523 * radius  # four curves that are nearly a circle
    return (
        f"M{x - r:g} {y:g}C{x - r:g} {y - c:g} {x - c:g} {y - r:g} {x:g} {y - r:g}"
        f"C{x + c:g} {y - r:g} {x + r:g} {y - c:g} {x + r:g} {y:g}"
        f"C{x + r:g} {y + c:g} {x + c:g} {y + r:g} {x:g} {y + r:g}"
        f"C{x - c:g} {y + r:g} {x - r:g} {y + c:g} {x - r:g} {y:g}Z"
    )


def _changes(data: NetworkPair, top: float, width: float) -> tuple[list[Path | Text], float]:
    """The dimensions that differ, the difference in cost, and where they end."""
    a, b = data.first, data.second
    pairs = ((a.macs / 1e9, b.macs / 1e9, "GMACs"), (a.params / 1e6, b.params / 1e6, "M params"))
    costs = [f"{x:#.4g} → {y:#.4g} {unit} ({y - x:+#.4g}, {y / x - 1:+.0%})" for x, y, unit in pairs]
    title = f"B differs from A in {len(data.changed)} of {len(MULTIRES)} dimensions"
    items: list[Path | Text] = [Text(MARGIN, top + 16, title, 13, bold=True)]
    items.append(Text(MARGIN, top + 16 + ROW, ";  ".join(costs)))
    across = int((width - 2 * MARGIN) // ENTRY)
    rows = -(-len(data.changed) // across)
    for n, (name, (x, y)) in enumerate(data.changed.items()):
        at = (MARGIN + ENTRY * (n // rows), top + 16 + (2 + n % rows) * ROW)
        items.append(Text(*at, f"{name:4} {x:>3} → {y}", mono=True))
    return items, top + 32 + (1 + rows) * ROW


def _legend(top: float, width: float, compared: bool, sums: bool = True) -> tuple[list[Path | Text], float]:
    """What boxes and lines mean, in columns, and where the legend ends."""
    entries: list[tuple[str, str, float, str, str]] = [
        (fill, "box-edge", 0.7, "", label) for fill, label in (BOXES | (MARKS if compared else {})).items()
    ]
    entries += [("box-edge", "none", 0.0, "", "sum of what arrives")] if sums else []
    entries += [("none", colour, width, dash, label) for colour, width, dash, label in LINES.values() if label]
    across = max(1, int((width - 2 * MARGIN) // COLUMN))
    rows = -(-len(entries) // across)
    items: list[Path | Text] = []
    for n, (fill, stroke, thick, dash, label) in enumerate(entries):
        x, y = MARGIN + COLUMN * (n // rows), top + 8 + LEGEND_ROW * (n % rows)
        if stroke == "none":
            d = _dot(x + SWATCH / 2, y)
        elif fill == "none":
            d = f"M{x:g} {y:g}H{x + SWATCH:g}"
        else:
            d = rectangle(x + 4, y - 5.5, SWATCH - 8, 11)
        items += [Path(d, fill, stroke, thick, dash), Text(x + SWATCH + 8, y + 4, label)]
    return items, top + 8 + LEGEND_ROW * rows + MARGIN
