"""Colours and number formats that all pictures and pages share."""

from __future__ import annotations

from collections.abc import Mapping

from ncp.tables.columns import metric_of

LIGHT = {
    "paper": "#ffffff",
    "band": "#f3f5f8",
    "ink": "#17202a",
    "faint": "#5a6672",
    "line": "#d9dfe6",
    "edge": "#8793a0",
    "blue": "#0072b2",
    "green": "#007a5a",
    "red": "#b3261e",
    "box": "#b9d4e8",
    "box-edge": "#1f3b57",
    "fill": "#56b4e9",
    "tint": "#fdf1dc",
    "mark": "#c44601",
    "mark-band": "#fbdfcd",
}
"""Named colours on a light background. Text colours have a contrast of at least 4.5 to `paper` and `band`."""
DARK = {
    "paper": "#14191f",
    "band": "#1d242c",
    "ink": "#e8edf2",
    "faint": "#a3aebb",
    "line": "#333d48",
    "edge": "#75818e",
    "blue": "#6cbbec",
    "green": "#43c59e",
    "red": "#ff9a90",
    "box": "#2c5878",
    "box-edge": "#9ccdee",
    "fill": "#56b4e9",
    "tint": "#3a3020",
    "mark": "#ff9d5c",
    "mark-band": "#4a3120",
}
"""The same names on a dark background."""

SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c", "#9a7500")
"""Colours of data series: Okabe and Ito's, which colour-blind readers can tell apart, then grey and olive.

All are legible on light and on dark backgrounds.
"""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid", "dash")
"""Dashes of data series, as plotly names them, so that colour is not the only difference."""
DASH_LENGTHS = {"solid": "", "dash": "6 3", "dot": "1.5 3", "dashdot": "6 3 1.5 3", "longdash": "12 4"}
DASH_LENGTHS |= {"longdashdot": "12 4 1.5 4"}
"""The same dashes in SVG [pixels]."""
GREY = "rgba(128,128,128,0.55)"
GRID = "rgba(128,128,128,0.22)"
"""Background points and grid lines of interactive figures, on light and on dark."""

CIVIDIS = ("#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838")
"""Ten colours of the colour map Cividis, from low to high."""

SANS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Ubuntu, Cantarell, "DejaVu Sans", sans-serif'
MONO = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace'

PERCENT = ("mIoU", "mAcc", "aAcc", "top1", "top5", "easy", "moderate", "hard", "Acc")
"""Metrics of the published tables that are measured in percent."""
COST = "cost [GMACs]"
SCORE = "score [std]"
"""Names of the quantities that are not columns."""
TESTS = (
    "Second lines: 95 % intervals. p-values: one-sided Mann-Whitney tests against random search and against the best "
    "baseline."
)
"""What the tables of a comparison show."""


def page_colours(dark: str | None = None) -> str:
    """CSS that defines the named colours and the fonts as variables of a page: `var(--paper)`, `var(--sans)`.

    Args:
        dark: a selector that matches when the page is dark; without one, the reader's colour scheme decides.
    """
    fonts = f"--sans: {SANS}; --mono: {MONO};"
    light = f":root {{ {_variables(LIGHT)} {fonts} }}"
    if dark is not None:
        return f"{light}\n{dark} {{ {_variables(DARK)} }}"
    return f"{light}\n@media (prefers-color-scheme: dark) {{ :root {{ {_variables(DARK)} }} }}"


def _variables(colours: Mapping[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


def unit_of(column: str) -> str:
    """The unit of a column's values: `%`, or `raw units` where it is not known."""
    return "%" if metric_of(column) in PERCENT else "raw units"


def with_unit(column: str) -> str:
    """A column's name, with its unit where that is known."""
    return f"{column} [%]" if unit_of(column) == "%" else column


def measured_text(column: str, value: float) -> str:
    """A column's name and a value in a sentence, with the unit where that is known.

    >>> measured_text("seg/mIoU", 77.0612)
    'seg/mIoU 77.06 %'
    """
    return f"{column} {value:z.2f}{' %' if unit_of(column) == '%' else ''}"


def p_text(p: float | None) -> str:
    """A p-value as text; a dash where no test was made."""
    if p is None:
        return "-"
    return "< 1e-4" if p < 1e-4 else f"{p:.4f}"
