"""The page: a heading, the choice of a dataset, and the tabs."""

from __future__ import annotations

from importlib.resources import files

from nicegui import ui
from nicegui.context import context

from ncp.app.address import Address, read_kept, read_query, state_of, visit
from ncp.app.benchmark_tab import BenchmarkTab
from ncp.app.code_tab import CodeTab
from ncp.app.components import SHOW_CODE, ErrorLine, copy_on_click
from ncp.app.search_tab import SearchTab
from ncp.app.session import Session
from ncp.app.study_tab import StudyTab
from ncp.app.upload_tab import UploadTab
from ncp.report.style import LIGHT, page_colours
from ncp.report.svg import picture_css

TITLE = "ncp: one network for several tasks"
TABS = {"Code": CodeTab, "Search": SearchTab, "Benchmark": BenchmarkTab, "Your table": UploadTab, "Study": StudyTab}
STYLES = ("base.css", "tabs.css")


def build_page(session: Session) -> None:
    """Build the page of a new session, in the state that its address describes."""
    names = [name for name in TABS if name != "Study" or session.study is not None]
    context.client.on_delete(session.close)
    request = context.client.request
    state = read_query("" if request is None else request.url.query)
    problems = [visit(session, state, names), read_kept(session, state)]
    _add_styles()
    chooser = _build_header()
    notice = ErrorLine()
    notice.error = " ".join(filter(None, problems))
    tabs, panels, contents = _build_tabs(names, session.tab)
    built: set[str] = set()

    def build(name: str) -> None:
        """Build a tab when it is first shown."""
        if name not in built:
            built.add(name)
            with contents[name]:
                TABS[name](session)

    def rebuild() -> None:
        """Build the tabs that show the dataset anew, which are all but the upload."""
        for name in ("Code", "Search", "Benchmark"):
            built.discard(name)
            contents[name].clear()
        _show_chooser(chooser, session)
        build("Code")
        build(panels.value)

    def show() -> None:
        session.select_tab(tabs.value)
        build(tabs.value)

    def go(state: dict[str, str]) -> None:
        """Go back or forward to a state, with the codes that are kept now."""
        notice.error = visit(session, state, names)
        follow(step=False)

    address = Address(go)

    def follow(step: bool) -> None:
        """Show the tab and the address of the session's state."""
        tabs.set_value(session.tab)
        address.show(state_of(session, names), step)

    tabs.on_value_change(show)
    ui.on(SHOW_CODE, lambda: session.select_tab("Code"))
    session.on_dataset_change(rebuild)
    session.on_state_change(follow)
    rebuild()


def _add_styles() -> None:
    ui.add_css(f"{page_colours(dark='.body--dark')}\n{picture_css()}")
    for style in STYLES:
        ui.add_css((files("ncp.app") / style).read_text(encoding="utf-8"))
    ui.colors(primary=LIGHT["blue"], negative=LIGHT["red"])


def _build_tabs(names: list[str], shown: str) -> tuple[ui.tabs, ui.tab_panels, dict[str, ui.tab_panel]]:
    """Build the tabs, without their contents."""
    with ui.tabs().props('no-caps align=left inline-label aria-label="tabs"').classes("tabs") as tabs:
        for name in names:
            ui.tab(name)
    panels = ui.tab_panels(tabs, value=shown, animated=False, keep_alive=True).classes("panels")
    with panels:
        contents = {name: ui.tab_panel(name) for name in names}
    return tabs, panels, contents


def _build_header() -> ui.element:
    """Build the heading; return the place for the choice of a dataset."""
    dark = ui.dark_mode(None)
    with ui.element("header").classes("top"):
        with ui.element("div").classes("name"):
            ui.label("ncp").classes("brand").props("role=heading aria-level=1")
            ui.label("one network that is good at several tasks within an exact budget").classes("tagline")
        chooser = ui.element("div").classes("dataset")
        link = ui.button(icon="link", color=None).props('flat round aria-label="Copy a link to this state"')
        link.classes("plain")
        copy_on_click(link, "window.location.href", "Copied a link to this tab, code and settings")
        theme = ui.button(icon="contrast", on_click=lambda: _toggle(dark), color=None)
        theme.props('flat round aria-label="Light or dark"').classes("plain")
    return chooser


def _show_chooser(chooser: ui.element, session: Session) -> None:
    """Show a switch between the benchmark and the uploaded table, once there is one."""
    chooser.clear()
    uploaded = session.uploaded
    if uploaded is None:
        return
    with chooser:
        choice = ui.toggle({False: "NAS-Bench-MR", True: "Your table"}, value=session.dataset.uploaded)
        choice.props('no-caps unelevated aria-label="dataset"')
        choice.on_value_change(lambda: session.use(uploaded if choice.value else None))


async def _toggle(dark: ui.dark_mode) -> None:
    """Switch from light to dark or back, starting from what the browser shows now."""
    is_dark = await ui.run_javascript("document.body.classList.contains('body--dark')")
    dark.set_value(not is_dark)
