"""The tab Search: a form, the progress of a search, the codes that it found, and a film of the gradient."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from nicegui import ui

from ncp.app.code_facts import key_figures
from ncp.app.components import Animation, ErrorLine, markup, on_press
from ncp.app.found import Found
from ncp.app.front_plot import FrontPlot
from ncp.app.lookup import look_up
from ncp.app.result_actions import ResultActions
from ncp.app.result_table import result_table
from ncp.app.search_form import SearchForm
from ncp.app.searching import SearchRequest, StoppedError, run_film, run_front, run_search
from ncp.app.session import Session
from ncp.errors import NcpError
from ncp.report.network_drawing import network_element
from ncp.spaces.multires import Code

SECONDS = 600.0
"""Longest search [s]; a usual one takes a hundredth of that."""
_HELP = (
    "Choose an objective and a budget, then press Search. Hundreds of codes, the open one among them, follow the "
    "predictor's gradient within the budget; a local search then improves the best. The open code is:"
)
_UNTRAINED = "This table has no predictor yet. Train one under Your table."
_SHOW_ANSWER = (
    "if (matchMedia('(max-width: 899px)').matches)"
    " document.querySelector('.search-tab .answer').scrollIntoView({ block: 'start' })"
)
"""On a phone the results lie below the form."""


class SearchTab:
    """The tab of one session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.found: Found | None = None
        self.stop: Path | None = None
        self.trained = session.dataset.predictor is not None
        with ui.element("div").classes("search-tab"):
            with ui.element("section").classes("side").props('aria-label="objective and budget"'):
                self.form = SearchForm(session)
                self.button = ui.button("Search", on_click=self.start, color=None)
                self.button.props("unelevated no-caps").classes("primary").set_enabled(self.trained)
                self._build_progress()
                self.problem = ErrorLine()
            with ui.element("section").classes("answer").props('aria-label="results"'):
                self._build_film()
                self.front = FrontPlot(session)
                self.table = markup(classes="results")
        self.actions = ResultActions(session, self.problem)
        on_press(self.table, self.actions.press)
        session.on_visit(self._visit)
        session.on_code_change(self._show_start)
        self._visit()
        self._show_start()

    def _build_progress(self) -> None:
        with ui.element("div").classes("progress") as self.progress:
            self.bar = ui.linear_progress(0, show_value=False).props('aria-label="the search" rounded')
            ui.button("Cancel", on_click=self.cancel, color=None).props("flat no-caps").classes("plain")
        self.progress.set_visibility(False)

    def _build_film(self) -> None:
        with ui.element("details").classes("group film") as self.film:
            with ui.element("summary"):
                ui.label("How the gradient changes the open code").classes("group-name")
            self.animation = Animation(self.session.dataset.space)
        self.film.set_visibility(False)

    def _visit(self) -> None:
        """Show the settings of a link, or of the step that the user goes back or forward to."""
        self.problem.error = self.form.restore()

    def _show_start(self) -> None:
        """Until there is a result, show what the search starts from."""
        if self.found is not None:
            return
        session, text = self.session, _HELP if self.trained else _UNTRAINED
        facts = look_up(session.dataset, session.code, session.counting)
        drawing = ""
        if session.dataset.space.has_network:
            drawing = network_element(Code.from_vector(session.code), session.counting)
        self.table.set_content(
            f'<p class="note">{text}</p><div class="figures">{key_figures(facts, None)}</div>'
            f'<div class="scroll" tabindex="0" role="group" aria-label="drawing of the open code">{drawing}</div>'
        )

    async def start(self) -> None:
        """Search: show a first answer and the film at once, then what the search itself finds."""
        request = self.form.read(self.problem)
        if request is None:
            return
        self.cancel()
        stop = self.stop = self.session.folder / f"{uuid4().hex}.stop"
        self._begin()
        try:
            await self._search(request, stop)
        except StoppedError:
            pass
        except NcpError as error:
            if self.stop == stop and not self.session.closed:
                self.form.show_error(error, self.problem)
        finally:
            if self.stop == stop and not self.session.closed:
                self.stop = None
                self.progress.set_visibility(False)

    def cancel(self) -> None:
        """Stop the search that runs; what it has found so far stays."""
        if self.stop is not None:
            self.stop.touch()
            self.stop = None
            self.progress.set_visibility(False)

    def _begin(self) -> None:
        self.progress.set_visibility(True)
        self.bar.set_value(0)
        self.film.set_visibility(False)

    async def _search(self, request: SearchRequest, stop: Path) -> None:
        """Run the jobs of a request one after the other, and show what each of them finds.

        Raises:
            NcpError: a job refused the request, or was stopped.
        """
        source, run = self.session.dataset.source, self.session.workers.run
        if request.find == "front":
            front = await run(run_front, source, request, stop, seconds=SECONDS, progress=self._progress)
            self._show(Found.of_front(front), stop)
            return
        if request.find == "best":
            first, frames = await run(run_film, source, request)
            if self.stop != stop or self.session.closed:
                return
            self._show(Found.of_result(first, self.session.dataset.space, None, finished=False), stop)
            self.film.set_visibility(True)
            self.film.props("open")
            self.animation.play(frames)
        trace = stop.with_suffix(".json")
        result = await run(run_search, source, request, trace, stop, seconds=SECONDS, progress=self._progress)
        self.film.props(remove="open")  # the answer moves up to where the user looks
        self._show(Found.of_result(result, self.session.dataset.space, trace), stop)

    def _progress(self, share: float) -> None:
        if not self.session.closed and share - self.bar.value > 0.01:
            self.bar.set_value(share)

    def _show(self, found: Found, stop: Path) -> None:
        """Show what was found, unless the search was stopped or another one has begun."""
        if self.stop != stop or self.session.closed:
            return
        old, self.found = self.found, found
        if old is not None and old.trace is not None:
            old.trace.unlink(missing_ok=True)
        self.actions.found = found
        self.front.show(found.rows if found.name == "pareto.json" else ())
        self.session.set_found(tuple(row.vector for row in found.rows))
        self.table.set_content(result_table(found, self.session.dataset.space.has_network))
        if old is None or old.finished:
            with self.table:
                ui.run_javascript(_SHOW_ANSWER)
