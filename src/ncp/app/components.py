"""The page's own elements, each a few lines of JavaScript beside this file: nothing is fetched from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nicegui import ui
from nicegui.element import Element

from ncp.app.layout import groups, places
from ncp.spaces.space import Space

PACE = 70
"""Milliseconds per step of a film."""


class Dials(Element, component="dials.js"):
    """Sliders of a code; `moved` is called with a dimension's place and the place of its value."""

    def __init__(self, space: Space, code: Sequence[int], moved: Callable[[int, int], Any]) -> None:
        super().__init__()
        self.space = space
        self._props["groups"] = groups(space)
        self._props["id"] = "dials"
        self.show(code)
        self.on("dial", lambda event: moved(event.args["place"], event.args["index"]), throttle=0.06)

    def show(self, code: Sequence[int]) -> None:
        """Set all sliders."""
        self._props["values"] = places(self.space, code)
        self.update()


class Film(Element, component="film.js"):
    """Plays the frames of a propagation; `ended` is called with the step and whether it was stopped."""

    def __init__(self, space: Space, ended: Callable[[int, bool], Any]) -> None:
        super().__init__()
        self.run = 0
        self._props.update(frames=[], groups=groups(space), run=0, pace=PACE)

        def told(event: Any) -> Any:
            return ended(event.args["step"], event.args["stopped"]) if event.args["run"] == self.run else None

        self.on("ended", told)

    def play(self, frames: Sequence[dict[str, Any]]) -> None:
        """Show other frames, from the first one on."""
        self.run += 1
        self._props.update(frames=list(frames), run=self.run)
        self.update()


class Wishes(Element, component="wishes.js"):
    """Columns with weights and floors, as texts; `told` is called with all rows when one changes."""

    def __init__(self, rows: Sequence[dict[str, Any]], told: Callable[[list[dict[str, Any]]], Any]) -> None:
        super().__init__()
        self._props.update(rows=list(rows), problems={}, whole="", floors="at least")
        self.on("wish", lambda event: told(event.args))

    @property
    def error(self) -> str | None:
        """What is wrong with the table as a whole, which stands below it."""
        return self._props["whole"] or None

    @error.setter
    def error(self, error: str | None) -> None:
        self._props["whole"] = error or ""
        self.update()

    def complain(self, problems: dict[str, dict[str, str]]) -> None:
        """Show a message beside a field, by column and field."""
        self._props["problems"] = problems
        self.update()


class Plot(ui.plotly, component="plot.js"):
    """A figure whose last trace is a star that moves alone; `clicked` is called with the row of a point."""

    def __init__(self, label: str, clicked: Callable[[int], Any]) -> None:
        super().__init__({"data": [], "layout": {}, "config": {}})
        self._props["label"] = label
        self.on("row", lambda event: clicked(int(event.args["row"])))

    def move_star(self, place: Sequence[float]) -> None:
        """Put the star elsewhere, or nowhere; the other points are not sent again."""
        self.figure["data"][-1] |= {"x": list(place[:1]), "y": list(place[1:])}
        self.run_method("move", list(place))


class File(ui.upload, component="file.js"):
    """A file of a visitor; `came` is called with it, `refused` where it is too large to be sent."""

    def __init__(self, label: str, kinds: Sequence[str], most: int, came: Any, refused: Any) -> None:
        super().__init__(on_upload=lambda event: came(event.file))
        self._props.update(accept=",".join(kinds), label=label, most=most, field=f"file-{self.id}")
        self.on("rejected", lambda event: refused(str(event.args["name"]), int(event.args["size"])))


class Problem(ui.label):
    """A line that says what is wrong, if anything is."""

    def __init__(self) -> None:
        super().__init__("")
        self.classes("problem").props("role=alert")

    @property
    def error(self) -> str | None:
        """What the line says."""
        return self.text or None

    @error.setter
    def error(self, error: str | None) -> None:
        self.set_text(error or "")


def pressable(shown: ui.html, pressed: Callable[[str, int], Any]) -> None:
    """Have `pressed` called with `data-act` and `data-row` of the buttons in markup."""

    def told(event: Any) -> Any:
        return pressed(str(event.args["act"]), int(event.args["row"]))

    shown.on("click", told, js_handler=_PRESS)


_PRESS = (
    "(e) => { const b = e.target.closest('button[data-act]');"
    " if (b) emit({ act: b.dataset.act, row: Number(b.dataset.row) }); }"
)


def markup(content: str = "", classes: str = "") -> ui.html:
    """Text of our own making as HTML; whatever a visitor wrote in it is escaped by who made it."""
    return ui.html(content, sanitize=False).classes(classes)
