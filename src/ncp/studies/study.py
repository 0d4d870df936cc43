"""A study: asks for codes to train, learns what they reach, and keeps all of it in a folder."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from platform import node
from threading import RLock
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from filelock import FileLock

from ncp.errors import DataError, InfeasibleError
from ncp.io.files import as_path, is_dead
from ncp.numbers import as_count
from ncp.optim.budget import Budget
from ncp.optim.objective import Objective
from ncp.searchers.bayesian import Bayesian
from ncp.searchers.prior import as_prior
from ncp.spaces.arrays import Codes, CodesLike
from ncp.spaces.multires import MULTIRES, Code
from ncp.spaces.space import Space, require_space
from ncp.studies.prior_identity import DEFAULT, is_default, named_prior
from ncp.studies.search_record import SEARCH, Ask, SearchRecord, Tell, read_record
from ncp.studies.study_settings import Given, begun, require_same
from ncp.studies.told_values import best_rows, checked_values, told_table, told_terms
from ncp.studies.trained_rows import TrainedRow, rows_table
from ncp.tables.columns import minimised_names
from ncp.tables.table import Table

if TYPE_CHECKING:
    from ncp.searchers.evidence import Evidence
    from ncp.searchers.prior import Prior

LOCK = ".search.lock"
MOST = 1000
"""Most codes that are asked for at once."""


class Study:
    """Finds a good code with few trainings: ask for a code, train it, tell what it reached.

    Everything is in the file `search.json` of the folder before a call returns, so a killed process loses nothing. A
    study that is opened again first hands out the codes that were asked for and have no result.

    Several processes may share a study, each with an object of its own: calls lock the folder, and each process gets
    other codes. A code of a process that still runs, or of another machine, is not handed out again; `resume` takes
    these over, too.

    The seed and the calls of `ask` and `tell` decide the next proposal.

    >>> study = ncp.Study("study", objective=["roads", "clips"], budget=ncp.Budget(max_macs=1e9))  # doctest: +SKIP
    >>> while len(study) < 32:  # doctest: +SKIP
    ...     code = study.ask()
    ...     study.tell(code, train_it(code))  # {"roads/mIoU": 61.2, "clips/top1": 80.1}, or None if it failed

    Args:
        folder: the folder of the study, which is made if it is missing.
        objective: as in `ncp.search`. A study that is opened again has its own if this is left out, and likewise for
            all further arguments.
        budget: bounds on the cost of the codes that are asked for.
        space: the space of the codes; `MULTIRES` when left out.
        prior: values of other tasks: `nas-bench-mr`, a `Predictor`, a `Table`, the path of one, or None. The
            default is `nas-bench-mr` for codes of `MULTIRES`, and None for other spaces.
        seed: of everything random; 0 when left out.
        minimised: the columns in which lower is better.

    Raises:
        ConfigError: an invalid argument, or one that differs from that of the study in the folder.
        InfeasibleError: no code meets the budget.
        DataError: the folder cannot be written, or the file is damaged or of another version.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        objective: Objective | str | Sequence[str] | Mapping[str, float] | None = None,
        budget: Budget | None = None,
        space: Space | None = None,
        prior: Any = DEFAULT,
        seed: int | None = None,
        minimised: Sequence[str] = (),
    ) -> None:
        self.folder = as_path(folder, "folder")
        self._threads, self._handed = RLock(), set[str]()
        self._seen: object = None
        self._proposal: tuple[SearchRecord, int, list[str], float | None] | None = None
        self._prior_given, self._prior_read = prior, False
        self._prior: Prior | None = None
        if space is not None:
            require_space(space)
        given = Given(objective, budget, space, prior, seed, minimised)
        if not (self.folder / SEARCH).exists():
            self._begin(given)
        stamp = self._stamp()  # before it is read: another process may replace the file at any time
        self._record, self._seen = read_record(self.folder), stamp
        self.budget = require_same(self._record, self.folder, given)

    def __len__(self) -> int:
        """The number of different codes with a result, which may be a failure."""
        return len(self._read().told)

    def __repr__(self) -> str:
        best = self.best() if len(self) else []
        found = f", the best is {best[0].code!r} with {best[0].score:.2f}" if best else ""
        return f"Study({str(self.folder)!r}, {len(self)} codes, {len(self.pending)} pending{found})"

    def _repr_html_(self) -> str:
        text = f"Study {self.folder}: {len(self)} codes, {len(self.pending)} pending."
        return rows_table(self.best(20), text)

    @property
    def space(self) -> Space:
        """The space of the codes."""
        return self._record.space

    @property
    def objective(self) -> Objective:
        """The objective, which ranks the codes."""
        return self._record.objective

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the values; none before the first."""
        return self._read().columns

    @property
    def pending(self) -> list[Code | str]:
        """The codes that were asked for and have no result yet."""
        return [self._given(self.space.code(each.code)) for each in self._read().pending]

    @property
    def table(self) -> Table:
        """The means over trainings, one row per code; failed codes have NaN and the flag `failed`."""
        return told_table(self._read())

    @property
    def evidence(self) -> Evidence | None:
        """How well the model predicts codes that it was not fitted on, with and without the prior.

        None before there are labels enough.
        """
        with self._locked():
            return self._searcher().evidence()

    @property
    def expected_improvement(self) -> float | None:
        """The expected improvement of the next training [units of the score]; None before it is known."""
        with self._locked():
            return self._proposed(1)[1]

    @overload
    def ask(self, n: None = None) -> Code | str: ...
    @overload
    def ask(self, n: int) -> list[Code | str]: ...
    def ask(self, n: int | None = None) -> Code | str | list[Code | str]:
        """The next code to train, or the next `n`.

        Each code is handed out once, unless its process ends before it tells the result. Pending codes count as known
        with the values that are expected of them.

        Returns:
            a `Code` in `MULTIRES`, a text in other spaces. The list is shorter than `n` if no more codes are left.

        Raises:
            InfeasibleError: no code is left.
            ConfigError: the prior is needed, and is not a named one.
        """
        count = 1 if n is None else as_count(n, "n", most=MOST)
        with self._locked():
            record = self._record
            texts = [each.code for each in record.pending if self._is_abandoned(each)][:count]
            fresh = self._proposed(count - len(texts))[0] if len(texts) < count else []
            if not texts and not fresh:
                raise InfeasibleError(
                    "No code is left within the budget. "
                    f"Codes with a result: {len(record.told)}; pending: {len(record.pending)}."
                )
            now, known, pending = _now(), len(record.told), len(record.pending)
            new = [Ask(code, now, known, pending, os.getpid(), node()) for code in fresh]
            self._write(replace(record, asks=(*self._taken(set(texts)), *new)))
            self._handed |= {*texts, *fresh}
            codes = [self._given(self.space.code(text)) for text in (*texts, *fresh)]
        return codes[0] if n is None else codes

    def tell(self, code: CodesLike, values: Mapping[str, float] | None, reason: str = "") -> None:
        """Tell what a training of a code reached.

        The code need not come from `ask`. A further result of a code is a repeat, such as another seed.

        Args:
            code: in any form that `Space.codes` reads.
            values: values by column [raw units]; None for a training that failed.
            reason: why it failed.

        Raises:
            CodeError: a code outside the space.
            DataError: a value that is not a finite number, a column that earlier values do not have, or a column of the
                objective without a value.
            ConfigError: the objective has another column than the first values.
        """
        self.tell_all(code, [values], reason)

    def tell_all(self, code: CodesLike, trainings: Sequence[Mapping[str, float] | None], reason: str = "") -> None:
        """Tell what several trainings of one code reached, all of them or none; see `tell`."""
        text = self.space.text(code)
        with self._locked():
            record, now = self._record, _now()
            for values in trainings:
                columns = record.columns
                if values is not None:
                    values = checked_values(values, columns)
                    columns = columns or tuple(values)
                    if not record.columns:
                        minimised_names(record.minimised, columns)
                        record.objective.require_direction(columns, record.minimised)
                    named = [columns[j] for j in record.objective.named(columns)]
                    missing = [name for name in named if name not in values]
                    if missing:
                        raise DataError(
                            f"The objective needs a value of {missing[0]}. Got {', '.join(values)}. "
                            "Tell None if the training failed."
                        )
                tell = Tell(text, now, values, str(reason) if values is None else "")
                record = replace(record, columns=columns, tells=(*record.tells, tell))
            self._write(record)

    def resume(self) -> list[Code | str]:
        """Take over all pending codes, also those of processes that still run, and return them."""
        with self._locked():
            record = self._record
            texts = {each.code for each in record.pending}
            if texts:
                self._write(replace(record, asks=self._taken(texts)))
            self._handed |= texts
            return self.pending

    def retry(self) -> list[Code | str]:
        """Forget the failures of codes without any success. `ask` hands out these codes again, before new ones."""
        with self._locked():
            told = self._record.told
            failed = [code for code, tells in told.items() if all(each.values is None for each in tells)]
            asked = {each.code for each in self._record.asks}
            new = [Ask(code, _now(), len(told), 0, os.getpid(), node()) for code in failed if code not in asked]
            tells = tuple(each for each in self._record.tells if each.code not in failed)
            self._write(replace(self._record, asks=(*self._taken({*failed}), *new), tells=tells))
            self._handed -= {*failed}
            return [self._given(self.space.code(code)) for code in failed]

    def best(self, k: int = 1) -> list[TrainedRow]:
        """The best codes, best first: of those that meet the budget and all minimum values, at most `k`."""
        return best_rows(self._read(), self.budget, as_count(k, "k"))

    def report(self, path: str | Path | None = None) -> Path:
        """Write a page about the study, and return its path.

        Args:
            path: the file to write, `.html`; `report.html` in the folder of the study when left out.

        Raises:
            MissingExtraError: the packages of a report are not installed.
            DataError: the file cannot be written.
        """
        out = self.folder / "report.html" if path is None else as_path(path)
        html: Any = import_module("ncp.report.html")  # a report reads studies, so this room must not depend on it
        html.write_report(self.folder, out, study=self)
        return out

    def _begin(self, given: Given) -> None:
        """Write the file of a new study, unless another process is faster."""
        self._record = begun(self.folder, given)
        if not is_default(self._prior_given):
            self._known_prior()  # refuses what does not fit before the study begins
        with self._locked():
            if not (self.folder / SEARCH).exists():
                self._record.write(self.folder)

    def _taken(self, texts: set[str]) -> tuple[Ask, ...]:
        """What was asked for, with some of it now trained by this process."""
        process, host = os.getpid(), node()
        asks = self._record.asks
        return tuple(replace(each, process=process, host=host) if each.code in texts else each for each in asks)

    def _proposed(self, count: int) -> tuple[list[str], float | None]:
        """New codes as texts, fewer if fewer are left, and the expected improvement of the last one."""
        record = self._record
        if self._proposal is None or self._proposal[:2] != (record, count):
            pending = self.space.codes([each.code for each in record.pending]) if record.pending else None
            known = {*record.told, *(each.code for each in record.pending)}
            searcher = self._searcher()
            texts = [self.space.text(code) for code in searcher.ask(count, pending)]
            fresh = [text for text in dict.fromkeys(texts) if text not in known]
            self._proposal = record, count, fresh, searcher.improvement()
        return self._proposal[2:]

    def _searcher(self) -> Bayesian:
        """A searcher that knows all results."""
        record = self._record
        rng = np.random.default_rng([record.seed, len(record.asks)])
        searcher = Bayesian(self.space, rng, prior=self._known_prior(), budget=self.budget)
        if record.tells:
            terms = told_terms(record)
            searcher.tell(self.space.codes([each.code for each in record.tells]), terms.sum(axis=1), values=terms)
        return searcher

    def _known_prior(self) -> Prior | None:
        """The prior, which is loaded when it is needed for the first time."""
        if not self._prior_read:
            given = self._prior_given
            prior = named_prior(self._record.prior, self.folder) if is_default(given) else given
            self._prior, self._prior_read = as_prior(prior, self.space), True
        return self._prior

    def _is_abandoned(self, ask: Ask) -> bool:
        """Whether the training of a pending code has been abandoned, as far as this machine can tell."""
        if ask.code in self._handed or ask.host != node():
            return False
        return ask.process == os.getpid() or is_dead(ask.process)

    def _given(self, code: Codes) -> Code | str:
        return Code(code.tolist()) if self.space == MULTIRES else self.space.text(code)

    def _read(self) -> SearchRecord:
        """The record, as the file has it now."""
        with self._threads:
            if (stamp := self._stamp()) != self._seen:
                self._record, self._seen = read_record(self.folder), stamp
            return self._record

    def _write(self, record: SearchRecord) -> None:
        record.write(self.folder)
        self._record, self._seen = record, self._stamp()

    def _stamp(self) -> object:
        """What changes whenever the file is replaced."""
        try:
            about = (self.folder / SEARCH).stat()
        except OSError:
            return None
        return about.st_ino, about.st_mtime_ns, about.st_size

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other threads and processes out while the file is read and replaced."""
        with self._threads:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                lock = FileLock(self.folder / LOCK)
                lock.acquire()
            except OSError as error:
                raise DataError(
                    f"Cannot write in {self.folder}: {error.strerror or error}. Choose another folder."
                ) from None
            try:
                if self._seen is not None:
                    self._read()
                yield
            finally:
                lock.release()


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
