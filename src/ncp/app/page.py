"""The page itself: a heading, four tabs, and the subject that they are about."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from nicegui import ui
from nicegui.context import context

from ncp.app.benchmark import Walk
from ncp.app.explore import explore
from ncp.app.propagate import Propagation
from ncp.app.upload import Bringing
from ncp.app.visitor import Visitor
from ncp.app.workers import Workers

TITLE = "ncp: one network for several tasks"
WALKS = {"Code": explore, "Propagate": Propagation, "Benchmark": Walk, "Your table": Bringing}


def lay_out(workers: Workers, trainers: Workers, root: Path) -> None:
    """The page of one new visitor."""
    visitor = Visitor(workers, trainers, root)
    context.client.on_delete(visitor.leave)
    ui.add_css((files("ncp.app") / "theme.css").read_text(encoding="utf-8"))
    ui.colors(primary="#0072b2", negative="#b3261e")
    dark = ui.dark_mode(None)
    with ui.element("header").classes("top"):
        with ui.element("div").classes("name"):
            ui.label("ncp").classes("brand").props("role=heading aria-level=1")
            ui.label("one network that is good at several tasks within an exact budget").classes("predicted_score")
        subject = ui.element("div").classes("subject")
        ui.button("Light or dark", on_click=lambda: _toggle(dark), color=None).props("flat no-caps").classes("plain")
    with ui.tabs().props('no-caps align=left inline-label aria-label="walks"').classes("walks") as tabs:
        for name in WALKS:
            ui.tab(name)
    panels = ui.tab_panels(tabs, value="Code", animated=False, keep_alive=True).classes("panels")
    with panels:
        places = {name: ui.tab_panel(name) for name in WALKS}

    built: set[str] = set()

    def build(name: str) -> None:
        """Lay a walk out when it is first looked at."""
        if name not in built:
            built.add(name)
            with places[name]:
                WALKS[name](visitor)

    def turn() -> None:
        """All walks but that of files are about the subject."""
        for name in ("Code", "Propagate", "Benchmark"):
            built.discard(name)
            places[name].clear()
        _switch(subject, visitor)
        build("Code")
        build(panels.value)

    def show() -> None:
        visitor.show(tabs.value)
        build(tabs.value)

    tabs.on_value_change(show)
    visitor.on_subject(turn)
    turn()


def _switch(place: ui.element, visitor: Visitor) -> None:
    """Between the benchmark and a table of one's own, once there is one."""
    place.clear()
    own = visitor.own
    if own is None:
        return
    with place:
        chosen = ui.toggle({False: "NAS-Bench-MR", True: "Your table"}, value=visitor.subject.own)
        chosen.props('no-caps unelevated aria-label="what the page is about"')
        chosen.on_value_change(lambda: visitor.turn_to(own if chosen.value else None))


async def _toggle(dark: ui.dark_mode) -> None:
    """The other of light and dark, whichever the system shows now."""
    now = await ui.run_javascript("document.body.classList.contains('body--dark')")
    dark.set_value(not now)
