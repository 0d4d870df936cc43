"""The picture of a network: branches are lanes, fusions and blocks follow from left to right; of two, what changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ncp.cost import macs, macs_by_part, params
from ncp.errors import ConfigError, quoted
from ncp.io.files import whole_file
from ncp.spaces.multires import MULTIRES, STAGES, Code, Stage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

IMAGE_SIZE, CLASSES = 128, 50
BODY = [f"stage {s} branch {k}" if k <= s else f"stage {s} fusions" for s in (1, 2, 3, 4) for k in range(1, s + 2)]
PARTS = ["stem", *BODY, "head", "classifier"]
UNDATED: dict[str, dict[str, Any]] = {".svg": {"Date": None}, ".png": {}, ".pdf": {"CreationDate": None}}
STYLE: Any = {"font.family": "DejaVu Sans", "svg.fonttype": "path", "svg.hashsalt": "ncp"}

LANE, TALL, BOX, STEP, PAD, FUSE = 58.0, 36.0, 6.0, 8.5, 7.0, 32.0  # points, 1/72 inch, as all lengths here
GROW = np.array([0.0, 15.0, 15.0, 15.0])  # a new branch's way down, in the first module of a stage
LABELS, STEM, HEAD, NARROWEST, LEAST = 60.0, 88.0, 116.0, 66.0, 570.0
TITLE, HEADER, LEGEND, ROW, ENTRY, MARGIN = 42.0, 42.0, 50.0, 13.0, 106.0, 12.0
PANEL = TITLE + HEADER + STAGES * LANE + MARGIN
BLOCK, OUTLINE, BAND, FAINT, MARK, TINT = "#b9cfe4", "#1f3b57", "#f1f3f6", "#56616b", "#c44601", "#fbdfcd"
LINES: dict[str, tuple[str, Any, str]] = {
    "straight": ("#222222", "-", "3 x 3 convolution, stride 1"),
    "down": ("#0072b2", "-", "3 x 3 convolution, stride 2"),
    "up": ("#008a64", (0, (3, 1.2)), "1 x 1 convolution, upsampled by 2"),
    "join": (FAINT, (0, (1, 1)), "resized, then concatenated"),
}


class Edge(NamedTuple):
    """A fusion's convolution between branches, counted from 1: `straight`, `down`, `up`, or `new`, from a fused one."""

    kind: str
    source: int
    target: int


class Module(NamedTuple):
    """A fusion, and on every branch so many residual blocks of so many channels."""

    stage: int
    edges: tuple[Edge, ...]
    blocks: tuple[int, ...]
    channels: tuple[int, ...]


@dataclass(frozen=True)
class Network:
    """What the picture of one network shows: its cost for a 128 x 128 image and 50 classes is the sum of its parts'."""

    code: Code
    modules: tuple[Module, ...]
    macs: int
    params: int
    parts: dict[str, int]


@dataclass(frozen=True)
class Comparison:
    """What the picture of two networks shows; `changed` are the dimensions that differ, each with both values."""

    first: Network
    second: Network
    changed: dict[str, tuple[int, int]]


def network_data(code: Code) -> Network:
    """The facts behind the picture of one network."""
    stages = [(number, stage) for number, stage in enumerate(code.stages, start=1) for _ in range(stage.modules)]
    before = [1, *(number for number, _ in stages)]
    modules = (Module(s, tuple(_edges(b, s)), x.blocks, x.channels) for b, (s, x) in zip(before, stages, strict=False))
    total = macs(code, IMAGE_SIZE, CLASSES).item()
    counted = [int(part) for part in macs_by_part(np.array(code.vector), IMAGE_SIZE)]
    parts = dict(zip(PARTS, [*counted, total - sum(counted)], strict=True))
    return Network(code, tuple(modules), total, params(code, CLASSES).item(), parts)


def comparison_data(a: Code, b: Code) -> Comparison:
    """The facts behind the picture of two networks."""
    pairs = zip(MULTIRES.names, a.vector, b.vector, strict=True)
    return Comparison(network_data(a), network_data(b), {name: (x, y) for name, x, y in pairs if x != y})


def marked(stage: Stage, other: Stage, module: int) -> list[list[bool]]:
    """Whether each block, per branch of a stage's module, is missing in `other` or has other channels there."""
    return [
        [
            module >= other.modules or n >= other.blocks[k] or channels != other.channels[k]
            for n in range(stage.blocks[k])
        ]
        for k, channels in enumerate(stage.channels)
    ]


def _edges(before: int, after: int) -> Iterator[Edge]:
    for target in range(1, before + 1):
        for source in range(max(target - 1, 1), min(target + 1, before) + 1):
            yield Edge({-1: "down", 0: "straight", 1: "up"}[source - target], source, target)
    yield from (Edge("new", target - 1, target) for target in range(before + 1, after + 1))


def draw_network(data: Network | Comparison, path: str | Path) -> None:
    """Draw one network, or two, to a file, whose ending says the format (.svg, .png, .pdf).

    Raises:
        ConfigError: another ending.
        DataError: a path that cannot be written to.
    """
    ending = Path(path).suffix.lower()
    if ending not in UNDATED:
        raise ConfigError(f"Expected a file that ends in .svg, .png or .pdf. Got {quoted(str(path))}.")
    from matplotlib import rc_context

    with whole_file(path) as temporary, rc_context(STYLE):
        network_figure(data).savefig(temporary, format=ending[1:], dpi=150, metadata=UNDATED[ending])


def network_figure(data: Network | Comparison) -> Figure:
    """The picture; of two networks one above the other, with the same modules at the same place."""
    from matplotlib.figure import Figure

    networks = [data] if isinstance(data, Network) else [data.first, data.second]
    counts = np.array([[(stage.modules, max(stage.blocks)) for stage in network.code.stages] for network in networks])
    modules, blocks = counts.max(axis=0).T
    widths = FUSE + 2 * PAD + STEP * blocks
    starts = LABELS + STEM + np.cumsum([0, *np.maximum(widths * modules + GROW, NARROWEST)])
    width, top = max(starts[-1] + HEAD + MARGIN, LEAST), len(networks) * PANEL
    rows = -(-len(data.changed) // int((width - 2 * MARGIN) // ENTRY)) if isinstance(data, Comparison) else 0
    height = top + (rows + 4) * ROW * (len(networks) - 1) + LEGEND
    figure = Figure(figsize=(width / 72, height / 72))
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    ax.set_axis_off()
    for n, network in enumerate(networks):
        letter = f"{'AB'[n]}:  " if len(networks) > 1 else ""
        _draw_frame(ax, network, letter, n * PANEL, [LABELS, *starts, starts[-1] + HEAD])
        _draw_parts(ax, network, networks[n - 1].code, n * PANEL + TITLE + HEADER, starts, widths)
    if isinstance(data, Comparison):
        _draw_changes(ax, data, top + ROW, rows)
    _draw_legend(ax, height - LEGEND, len(networks) > 1)
    return figure


def _draw_frame(ax: Axes, network: Network, title: str, top: float, sections: list[float]) -> None:
    """Title, lanes and sections, each with its share of the cost, below `top`."""
    text, code = partial(ax.text, fontsize=7.5), network.code
    title += f"{network.macs / 1e9:#.4g} GMACs, {network.params / 1e6:#.4g} M params"
    title += f" at {IMAGE_SIZE} x {IMAGE_SIZE} pixels, {CLASSES} classes"
    text(MARGIN, top + 22, title, fontsize=10.5, weight="bold")
    text(MARGIN, top + 36, str(code), fontsize=8)
    for k in range(STAGES):
        y = top + TITLE + HEADER + LANE * (k + 0.5)
        text(MARGIN, y - 1, f"stride {4 << k}")
        text(MARGIN, y + 9, f"branch {k + 1}", color=FAINT)
    names = [f"stage {s}/x{stage.modules} module{'s'[: stage.modules - 1]}" for s, stage in enumerate(code.stages, 1)]
    shares = np.add.reduceat([*network.parts.values()], [0, 1, 3, 6, 10, 15]) / network.macs
    for left, right, name, share in zip(sections, sections[1:], ["stem", *names, "head"], shares, strict=False):
        ax.bar(left + 1, HEADER + STAGES * LANE, right - left - 2, top + TITLE, align="edge", color=BAND, zorder=0)
        percent = f"{share:.0%}" if share >= 0.005 else "<1%"
        for row, line in enumerate([*name.split("/"), f"{percent} of MACs"]):
            colour = FAINT if row else "black"
            text((left + right) / 2, top + TITLE + 13 + 11 * row, line, ha="center", color=colour)


def _draw_parts(ax: Axes, network: Network, other: Code, top: float, starts: Any, widths: Any) -> None:
    """Stem, modules and head on lanes below `top`, with what differs from `other` marked."""
    code, lanes, end = network.code, top + LANE * (np.arange(STAGES) + 0.5), starts[-1]
    text, fill = partial(ax.text, fontsize=7.5, zorder=5), partial(ax.bar, align="edge")

    def boxes(x: float, y: float, channels: int, other: int, new: list[bool], colour: str = BLOCK) -> None:
        height, place = TALL * channels / 128, x + STEP * np.arange(len(new))
        colours = [MARK if mark else colour for mark in new]
        fill(place, height, BOX, y - height / 2, color=colours, edgecolor=OUTLINE, linewidth=0.7, zorder=3)
        style: dict[str, Any] = {"color": MARK, "weight": "bold"} if channels != other else {}
        text((place[0] + place[-1] + BOX) / 2, y - height / 2 - 2.5, str(channels), ha="center", **style)

    text(LABELS + 5, lanes[0], "image", va="center_baseline")
    i1, i2 = LABELS + 45, LABELS + 70
    _lines(ax, "down", np.array([i1 - 14, i1]), lanes[0], np.array([i1, i2]), lanes[0])
    _lines(ax, "", i2, lanes[0], starts[0], lanes[0])
    for x, channels, before in zip((i1, i2), code.stem, other.stem, strict=True):
        boxes(x, lanes[0], channels, before, [channels != before], "white")
    numbers = [number for stage in code.stages for number in range(stage.modules)]
    for module, number in zip(network.modules, numbers, strict=True):
        s = module.stage - 1
        x = starts[s] + number * widths[s] + GROW[s] * (number > 0)
        fused, body = x + FUSE, x + FUSE + GROW[s] * (number == 0)
        after = starts[s + 1] if number + 1 == code.stages[s].modules else body + widths[s] - FUSE
        if number >= other.stages[s].modules:
            fill(x, module.stage * LANE, widths[s], top, color=TINT, zorder=0.5)
        for kind, source, target in module.edges:
            y, begin, arrive = lanes[target - 1], *((fused, body) if kind == "new" else (x, fused))
            _lines(ax, kind, begin, lanes[source - 1], arrive, y)
            if kind in ("straight", "new"):
                _lines(ax, "", arrive, y, after, y)
            if kind == "straight":
                ax.plot(fused, y, "o", markersize=3.5, color=OUTLINE, zorder=4)
        for k, new in enumerate(marked(code.stages[s], other.stages[s], number)):
            boxes(body + PAD, lanes[k], module.channels[k], other.stages[s].channels[k], new)
    _lines(ax, "join", end, lanes, end + 22, lanes)
    fill(end + 22, lanes[-1] - lanes[0] + 16, 2.5, lanes[0] - 8, color=OUTLINE, zorder=3)
    _lines(ax, "", end + 22, lanes[-1], end + 54, lanes[-1])
    boxes(end + 38, lanes[-1], code.head, other.head, [code.head != other.head], "white")
    text(end + 58, lanes[-1], f"{CLASSES} classes", va="center_baseline")


def _lines(ax: Axes, kind: str, x: Any, y: Any, u: Any, v: Any) -> None:
    """Lines from `(x, y)` to `(u, v)`, numbers or `(n,)`, that leave and arrive level."""
    t = np.linspace(0, 1, 17)[:, None]
    colour, dashes, _ = LINES.get(kind.replace("new", "down"), (FAINT, "-", ""))
    style: dict[str, Any] = {"linewidth": 1.3 if kind else 0.8, "zorder": 2 if kind else 1}
    ax.plot(x + (u - x) * t, y + (v - y) * t * t * (3 - 2 * t), color=colour, linestyle=dashes, **style)


def _draw_changes(ax: Axes, data: Comparison, top: float, rows: int) -> None:
    """What differs, by the names of the code's dimensions, and what it costs."""
    a, b = data.first, data.second
    pairs = ((a.macs / 1e9, b.macs / 1e9, "GMACs"), (a.params / 1e6, b.params / 1e6, "M params"))
    costs = [f"{x:#.4g} → {y:#.4g} {unit} ({y - x:+#.4g}, {y / x - 1:+.0%})" for x, y, unit in pairs]
    title = f"B differs from A in {len(data.changed)} of {len(MULTIRES)} dimensions"
    ax.text(MARGIN, top, title, fontsize=9, weight="bold")
    ax.text(MARGIN, top + 1.2 * ROW, ";  ".join(costs), fontsize=8)
    for n, (name, (x, y)) in enumerate(data.changed.items()):
        at = (MARGIN + ENTRY * (n // rows), top + (2.4 + n % rows) * ROW)
        ax.text(*at, f"{name:4} {x:>3} → {y}", fontsize=8, family="DejaVu Sans Mono")


def _draw_legend(ax: Axes, top: float, compared: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    boxes = {BLOCK: "residual block; height = channels", "white": "convolution of stem or head"}
    boxes |= {MARK: "differs from the other network", TINT: "module that the other lacks"} if compared else {}
    handles: list[Any] = [Patch(facecolor=fill, edgecolor=OUTLINE, label=label) for fill, label in boxes.items()]
    handles.append(Line2D([], [], marker="o", markersize=3.5, color=OUTLINE, linestyle="", label="sum of what arrives"))
    handles += [Line2D([], [], color=c, linestyle=d, linewidth=1.3, label=label) for c, d, label in LINES.values()]
    legend = ax.legend(handles=handles, ncols=3, fontsize=8, frameon=False, loc="upper left", borderaxespad=0)
    legend.set_bbox_to_anchor((MARGIN - 3, top), ax.transData)
