"""The state of one open page: its dataset, its code and its files. Sessions share nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from ncp.app.dataset import Dataset, OpenDataset, open_benchmark, open_dataset
from ncp.app.workers import JobQueue, Workers
from ncp.cost import Counting
from ncp.network.latency import LatencyModel
from ncp.optim.budget import Budget
from ncp.spaces.multires import Code

START = "32_64-1_1_2_64-2_2_2_2_32_64-2_3_2_2_2_32_64_128-2_4_2_2_2_2_32_64_128_128-96"
"""The code that the page opens with: a small network that a search can improve."""

MOST_KEPT = 8
"""Most codes that are kept, so that they fit into the address."""


class Session:
    """A dataset, a code, how cost is counted, the settings of the search, and callbacks for when these change.

    Changes are counted from `reference`, the code that was opened or pinned last. `settings` has the texts of the
    search's fields that differ from those of a new session, by the names that the address uses.

    Args:
        workers: the processes that propagate, shared by all sessions.
        trainers: the processes that read files and train, shared by all sessions.
        root: the folder in which the session makes a folder of its own.
        study: the folder of a study to look at, or None.
        latency: a latency model, by which searches can bound latency. Costs are counted for its networks at first.
    """

    def __init__(
        self,
        workers: Workers,
        trainers: Workers,
        root: Path,
        study: Path | None = None,
        latency: LatencyModel | None = None,
    ) -> None:
        self.workers, self.trainers = JobQueue(workers), JobQueue(trainers)
        self.benchmark = open_benchmark()
        self.uploaded: Dataset | None = None
        self.upload_name = ""
        self.dataset: OpenDataset = self.benchmark
        self.code: tuple[int, ...] = Code.parse(START).vector
        self.reference = self.code
        self.latency = latency
        self.first_counting = Budget(latency=latency).counting
        self.counting = self.first_counting
        self.settings: dict[str, str] = {}
        self.found: tuple[tuple[int, ...], ...] = ()
        self._kept: dict[str | None, tuple[tuple[int, ...], ...]] = {}
        self.closed = False
        self.tab = ""
        self._code_callbacks: list[Callable[[], Any]] = []
        self._visit_callbacks: list[Callable[[], Any]] = []
        self._state_callbacks: list[Callable[[bool], Any]] = []
        self._dataset_callbacks: list[Callable[[], Any]] = []
        self.study = study
        self._root = root
        self._folder: Path | None = None

    @property
    def folder(self) -> Path:
        """The folder of this session's files, made when it is first needed."""
        if self._folder is None:
            self._folder = Path(mkdtemp(dir=self._root))
        return self._folder

    @property
    def kept(self) -> tuple[tuple[int, ...], ...]:
        """The codes of the dataset that the user has kept, to compare them."""
        return self._kept.get(self.dataset.source.table, ())

    def on_code_change(self, callback: Callable[[], Any]) -> None:
        """Call `callback` whenever the code, the counting or the tab changes. A change of dataset removes it."""
        self._code_callbacks.append(callback)

    def on_visit(self, callback: Callable[[], Any]) -> None:
        """Call `callback` when the user goes back or forward. A change of dataset removes it."""
        self._visit_callbacks.append(callback)

    def on_state_change(self, callback: Callable[[bool], Any]) -> None:
        """Call `callback` when a part of the state changes, with whether the user can go back to the state before."""
        self._state_callbacks.append(callback)

    def on_dataset_change(self, callback: Callable[[], Any]) -> None:
        """Call `callback` whenever the dataset changes."""
        self._dataset_callbacks.append(callback)

    def select_tab(self, tab: str) -> None:
        """Show another tab; a tab that ignores changes while it is hidden catches up now."""
        if tab != self.tab:
            self.tab = tab
            self._notify(step=True)

    def read_code(self, text: str | None) -> tuple[int, ...]:
        """The code that a text says, in the space of the dataset.

        Raises:
            CodeError: the text says no code of the space.
        """
        return tuple(self.dataset.space.code(text or "").tolist())

    def open_code(self, code: tuple[int, ...], tab: str | None = None) -> None:
        """Show another code, in another tab if one is given, and count changes from it."""
        self.code = self.reference = tuple(code)
        self.tab = tab or self.tab
        self._notify(step=True)

    def edit_code(self, code: tuple[int, ...]) -> None:
        """Show an edited code; changes are still counted from the same code as before."""
        self.code = tuple(code)
        self._notify()

    def pin_code(self) -> None:
        """Count changes from the code that is open."""
        self.reference = self.code
        self._notify()

    def keep(self, codes: tuple[tuple[int, ...], ...]) -> None:
        """Keep these codes and no others; of more than `MOST_KEPT` the first, each once."""
        self._kept[self.dataset.source.table] = tuple(dict.fromkeys(codes))[:MOST_KEPT]
        self._notify()

    def set_counting(self, counting: Counting) -> None:
        """Change how cost is counted."""
        self.counting = counting
        self._notify()

    def set_found(self, codes: tuple[tuple[int, ...], ...]) -> None:
        """Remember the codes that a search has found."""
        self.found = codes
        self._notify()

    def set_settings(self, settings: dict[str, str]) -> None:
        """Remember the settings of the search."""
        self.settings = settings
        self._tell(step=False)

    def visit(self, tab: str, code: tuple[int, ...], counting: Counting, settings: dict[str, str]) -> None:
        """Show the state of a link, or one that the user goes back or forward to; of an uploaded table the tab only."""
        self.tab = tab
        if not self.dataset.uploaded:
            self.code = self.reference = tuple(code)
            self.counting, self.settings = counting, settings
        for callback in [*self._visit_callbacks, *self._code_callbacks]:
            callback()

    def use(self, dataset: Dataset | None) -> None:
        """Switch to an uploaded dataset, or to the benchmark if it is None; keep the code if it lies in the space."""
        self.uploaded = self.uploaded if dataset is None else dataset
        self.dataset = self.benchmark if dataset is None else open_dataset(dataset)
        space = self.dataset.space
        if len(self.code) != len(space) or not space.contains([self.code]).all():
            self.code = _first_code(self.dataset)
        self.reference = self.code
        self.settings, self.found = {}, ()
        self._code_callbacks.clear()
        self._visit_callbacks.clear()
        for callback in list(self._dataset_callbacks):
            callback()
        self._tell(step=False)

    def close(self) -> None:
        """Stop this session's jobs and delete its files."""
        self.closed = True
        self.workers.close()
        self.trainers.close()
        for callbacks in (self._code_callbacks, self._visit_callbacks, self._dataset_callbacks, self._state_callbacks):
            callbacks.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _notify(self, step: bool = False) -> None:
        for callback in list(self._code_callbacks):
            callback()
        self._tell(step)

    def _tell(self, step: bool) -> None:
        for callback in list(self._state_callbacks):
            callback(step)


def _first_code(dataset: OpenDataset) -> tuple[int, ...]:
    """The code to open first: the benchmark's default, the table's first row, or the middle of the space."""
    if not dataset.uploaded:
        return Code.parse(START).vector
    if dataset.table is not None and len(dataset.table):
        return tuple(dataset.table.codes[0].tolist())
    return tuple(dim.values[len(dim.values) // 2] for dim in dataset.space.dimensions)
