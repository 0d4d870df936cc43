"""The tab Propagate: a form, the animation of the open code's propagation, and the best codes."""

from __future__ import annotations

import numpy as np
from nicegui import ui

from ncp.app.components import Animation, ErrorLine, markup, on_press
from ncp.app.field_errors import message_of
from ncp.app.jobs import SearchRequest, best_rows, run_search
from ncp.app.propagate_form import PropagateForm
from ncp.app.result_actions import ResultActions
from ncp.app.result_table import result_table
from ncp.app.session import Session
from ncp.errors import NcpError
from ncp.optim.results import Result, Row

_HELP = (
    "Choose an objective and a budget, then press Propagate. The open code and seven random ones follow the "
    "predictor's gradient within the budget. The ten best of all codes that they pass are listed here."
)
_UNTRAINED = "This table has no predictor yet. Train one under Your table."


class PropagateTab:
    """The tab of one session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.result: Result | None = None
        self.request: SearchRequest | None = None
        self.busy = False
        trained = session.dataset.predictor is not None
        with ui.element("div").classes("propagate-tab"):
            with ui.element("section").classes("side").props('aria-label="objective and budget"'):
                self.form = PropagateForm(session)
                self.button = ui.button("Propagate", on_click=self.start, color=None)
                self.button.props("unelevated no-caps").classes("primary").set_enabled(trained)
                self.problem = ErrorLine()
            with ui.element("section").classes("answer").props('aria-label="results"'):
                self.animation = Animation(session.dataset.space, self._end)
                self.table = markup(f'<p class="note">{_HELP if trained else _UNTRAINED}</p>', classes="results")
        self.actions = ResultActions(session, self.problem)
        on_press(self.table, self.actions.press)
        session.on_visit(self._visit)
        self._visit()

    def _visit(self) -> None:
        """Show the settings of a link, or of the step that the user goes back or forward to."""
        self.problem.error = self.form.restore()

    async def start(self) -> None:
        """Propagate, then play the animation and list the best codes."""
        request = None if self.busy else self.form.read(self.problem)
        if request is None:
            return
        self.busy = True
        self.button.props("loading")
        try:
            result, frames = await self.session.workers.run(run_search, self.session.dataset.source, request)
        except NcpError as error:
            if not self.session.closed:
                self.form.show_error(error, self.problem)
            return
        finally:
            self.busy = False
            if not self.session.closed:
                self.button.props(remove="loading")
        if self.session.closed:
            return
        self.result, self.request = result, request
        self._show(result.rows)
        self.animation.play(frames)

    async def _end(self, step: int, stopped: bool) -> None:
        """If the user stopped the animation, list the best codes up to that step only."""
        result, request = self.result, self.request
        if not stopped or result is None or request is None:
            return
        codes = result.trajectory.codes[: step + 1]
        passed = np.unique(codes.reshape(-1, codes.shape[-1]), axis=0)
        try:
            rows, _ = await self.session.workers.run(best_rows, self.session.dataset.source, request, passed)
        except NcpError as error:
            self.problem.error = message_of(error)
            return
        if self.result is result and not self.session.closed:  # no other propagation has ended meanwhile
            self._show(rows, step)

    def _show(self, rows: tuple[Row, ...], step: int | None = None) -> None:
        if self.result is not None:
            self.actions.set(self.result, rows)
            self.table.set_content(result_table(self.result, rows, step))
