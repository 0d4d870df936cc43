"""The page's own elements, each a few lines of JavaScript beside this file; nothing is fetched from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nicegui import ui
from nicegui.element import Element

from ncp.app.layout import dimension_groups, value_indices
from ncp.spaces.space import Space

PACE = 70
"""Duration of one step of an animation [ms]."""


class Sliders(Element, component="sliders.js"):
    """Sliders for the dimensions of a code; `on_move` gets the indices of a dimension and of its new value."""

    def __init__(self, space: Space, code: Sequence[int], on_move: Callable[[int, int], Any]) -> None:
        super().__init__()
        self.space = space
        self._props["groups"] = dimension_groups(space)
        self._props.update(id="sliders", answered=0)
        self.show(code)

        def moved(event: Any) -> Any:
            self._props["answered"] = event.args.get("move", 0)
            return on_move(event.args["place"], event.args["index"])

        self.on("slide", moved, throttle=0.06)

    def show(self, code: Sequence[int]) -> None:
        """Set all sliders."""
        self._props["values"] = value_indices(self.space, code)
        self.update()


class Animation(Element, component="animation.js"):
    """Plays the frames of a propagation."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self._props.update(frames=[], groups=dimension_groups(space), run=0, pace=PACE)

    def play(self, frames: Sequence[dict[str, Any]]) -> None:
        """Play other frames from the first one on."""
        self._props.update(frames=list(frames), run=self._props["run"] + 1)
        self.update()


class ObjectiveTable(Element, component="objective.js"):
    """Columns with weights and minimum values, as texts; `on_change` gets all rows when one changes."""

    def __init__(self, rows: Sequence[dict[str, Any]], on_change: Callable[[list[dict[str, Any]]], Any]) -> None:
        super().__init__()
        self._props.update(rows=list(rows), version=0, problems={}, problem="")
        self.on("edit", lambda event: on_change(event.args))

    def show_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        """Show other rows, in place of what the user has edited."""
        self._props.update(rows=list(rows), version=self._props["version"] + 1)
        self.update()

    @property
    def error(self) -> str | None:
        """The message below the table."""
        return self._props["problem"] or None

    @error.setter
    def error(self, error: str | None) -> None:
        self._props["problem"] = error or ""
        self.update()

    def show_errors(self, problems: dict[str, dict[str, str]]) -> None:
        """Show messages beside fields, by column and field."""
        self._props["problems"] = problems
        self.update()


class Plot(ui.plotly, component="plot.js"):
    """A figure whose last trace is a star that moves alone; `on_click` gets the table row of a point."""

    def __init__(self, label: str, on_click: Callable[[int], Any]) -> None:
        super().__init__({"data": [], "layout": {}, "config": {}})
        self._props["label"] = label
        self.on("row", lambda event: on_click(int(event.args["row"])))

    def set_figure(self, figure: dict[str, Any]) -> None:
        """Show other rows: send the whole figure."""
        self.update_figure(figure)

    def set_axes(self, figure: dict[str, Any]) -> None:
        """Show the same rows on other axes: send positions and axes, but not the codes of the rows again."""
        self.figure = figure
        positions = [{"x": trace["x"], "y": trace["y"]} for trace in figure["data"]]
        self.run_method("setAxes", positions, {axis: figure["layout"][axis] for axis in ("xaxis", "yaxis")})

    def move_star(self, position: Sequence[float]) -> None:
        """Move the star, or hide it if `position` is empty; the other points are not sent again."""
        self.figure["data"][-1] |= {"x": list(position[:1]), "y": list(position[1:])}
        self.run_method("moveStar", list(position))


class CodeFigure(ui.plotly, component="plot.js"):
    """A figure whose points have codes; `on_click` gets the text of a point's code."""

    def __init__(self, label: str, figure: dict[str, Any], on_click: Callable[[str], Any]) -> None:
        super().__init__(figure)
        self._props["label"] = label
        self.on("row", lambda event: on_click(str(event.args["row"])))


class File(ui.upload, component="file.js"):
    """A file to upload.

    `on_choose` is called before it is sent, `on_file` gets it, and `on_reject` gets its name and size [bytes] where it
    cannot be sent.
    """

    def __init__(
        self, label: str, endings: Sequence[str], limit: int, on_choose: Any, on_file: Any, on_reject: Any
    ) -> None:
        super().__init__(on_upload=lambda event: on_file(event.file))
        self._props.update(accept=",".join(endings), label=label, limit=limit, field=f"file-{self.id}")
        self.on("chosen", lambda: on_choose())
        self.on("rejected", lambda event: on_reject(str(event.args["name"]), int(event.args["size"])))


class ErrorLine(ui.label):
    """A line for an error message, empty if there is none."""

    def __init__(self) -> None:
        super().__init__("")
        self.classes("problem").props("role=alert")

    @property
    def error(self) -> str | None:
        """The message."""
        return self.text or None

    @error.setter
    def error(self, error: str | None) -> None:
        self.set_text(error or "")


def on_press(html: ui.html, callback: Callable[[str, int], Any]) -> None:
    """Call `callback` with `data-act` and `data-row` of the button in `html` that is pressed."""

    def pressed(event: Any) -> Any:
        return callback(str(event.args["act"]), int(event.args["row"]))

    html.on("click", pressed, js_handler=_PRESS)


_PRESS = (
    "(e) => { const b = e.target.closest('button[data-act]');"
    " if (b) emit({ act: b.dataset.act, row: Number(b.dataset.row) }); }"
)


def csv_button(label: str, name: str, content: Callable[[], bytes | None]) -> ui.button:
    """A button that saves a table as the file `name`; `content` makes its csv, or None if there is nothing to save."""

    def save() -> None:
        data = content()
        if data is not None:
            ui.download.content(data, name, "text/csv")

    button = ui.button("csv", on_click=save, color=None).props("flat no-caps").classes("plain")
    button.props["aria-label"] = label
    return button


def copy_on_click(button: ui.button, text: str, copied: str) -> None:
    """Copy a text when a button is clicked, and say `copied`; browsers allow that on secure addresses alone.

    Args:
        button: the button.
        text: a JavaScript expression for the text; `button` is the element that was clicked.
        copied: what the page says then.
    """

    def say(event: Any) -> None:
        ui.notify(copied if event.args else _NOT_COPIED, timeout=1500 if event.args else 5000)

    button.on("click", say, js_handler=_COPY % text)


_COPY = (
    "async (e) => { const button = e.target.closest('button');"
    " try { await navigator.clipboard.writeText(%s); emit(true); } catch { emit(false); } }"
)
_NOT_COPIED = "The browser lets pages copy at localhost and https addresses only. Select the text and copy it."


def say_opened() -> None:
    """Say that a code was opened, with a button that asks the page for the tab Code by the event `SHOW_CODE`."""
    ui.run_javascript(_SAY_OPENED)


SHOW_CODE = "show_code"
_SAY_OPENED = f"""
Quasar.Notify.create({{
  message: "Opened in the Code tab",
  group: "opened",
  badgeStyle: "display: none",
  timeout: 5000,
  actions: [{{ label: "Show", color: "white", noCaps: true, handler: () => emitEvent("{SHOW_CODE}") }}],
}})
"""


def markup(content: str = "", classes: str = "") -> ui.html:
    """An element with HTML of this package, in which all texts of users are escaped already."""
    return ui.html(content, sanitize=False).classes(classes)


def heading(text: str) -> ui.label:
    """A heading of the second level."""
    return ui.label(text).classes("heading").props("role=heading aria-level=2")
