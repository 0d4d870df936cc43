"""The tab Study: curves, what runs, the front and what was learned of the study with which the app was started."""

from __future__ import annotations

import re
from html import escape

from nicegui import ui

from ncp.app.components import CodeFigure, ErrorLine, csv_button, heading, markup, on_press
from ncp.app.field_errors import message_of
from ncp.app.points import CONFIG
from ncp.app.session import Session
from ncp.app.study_view import Progressed, StudyView, grid_csv, progressed, read_view, section_html, state_html
from ncp.errors import NcpError
from ncp.report.page_parts import Grid, Page, Section

TAB = "Study"
EVERY = 5.0
"""Time between two looks at the folder, while the tab is shown [s]."""
SECONDS = 300.0
"""Longest time to read a study [s]."""


class StudyTab:
    """The tab of one session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.seen: Progressed | None = None
        self.busy = False
        self.codes: list[str] = []
        with ui.element("div").classes("study-tab"):
            self.title = heading("Reading the study …")
            self.problem = ErrorLine()
            self.state = markup()
            self.body = ui.element("div")
        ui.timer(EVERY, self.refresh)

    async def refresh(self) -> None:
        """Look at the folder, and show everything anew if trainings have ended since the last look."""
        folder = self.session.study
        if folder is None or self.busy or self.session.closed or self.session.tab != TAB:
            return
        self.busy = True
        try:
            view: StudyView = await self.session.trainers.run(read_view, folder, self.seen, seconds=SECONDS)
        except NcpError as error:
            if not self.session.closed:
                self.problem.error = message_of(error)
            return
        finally:
            self.busy = False
        if self.session.closed:
            return
        self.problem.error = None
        self.state.set_content(state_html(view.state))
        if view.page is not None:
            self.seen = progressed(view.state)
            self._show(view.page)

    def _show(self, page: Page) -> None:
        self.title.set_text(page.title)
        self.codes = []
        self.body.clear()
        with self.body:
            for section in page.sections:
                self._show_section(section)

    def _show_section(self, section: Section) -> None:
        with ui.element("section").props(f'aria-label="{escape(section.title)}"'):
            on_press(markup(section_html(section, self._button)), self._open)
            if section.table is not None:
                self._build_csv(section.title, section.table)
            with ui.element("div").classes("study-figures"):
                for plot in section.plots:
                    with ui.element("figure").classes("alone" if plot.alone else ""):
                        markup(f"<h3>{escape(plot.title)}</h3>")
                        figure = {**plot.figure, "config": CONFIG}
                        CodeFigure(plot.title, figure, self._open_code).classes("study-plot")

    def _build_csv(self, title: str, table: Grid) -> None:
        name = re.sub(r"\W+", "-", title.lower()).strip("-")
        csv_button(f"Save the table {title} as csv", f"{name}.csv", lambda: grid_csv(table))

    def _button(self, code: str) -> str:
        """A button that opens a code of the benchmark's space."""
        try:
            self.session.read_code(code)
        except NcpError:
            return ""
        self.codes.append(code)
        row = len(self.codes) - 1
        return f'<button type="button" class="button" data-act="open" data-row="{row}">Open</button>'

    def _open(self, _: str, row: int) -> None:
        """Open the code of a button."""
        if 0 <= row < len(self.codes):
            self._open_code(self.codes[row])

    def _open_code(self, text: str) -> None:
        """Open a code in the tab Code, if it is in the space that is shown there."""
        try:
            code = self.session.read_code(text)
        except NcpError as error:
            self.problem.error = message_of(error)
            return
        self.session.open_code(code, tab="Code")
