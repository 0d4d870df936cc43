"""The fourth walk: a table and a space of one's own, read without running anything in them, and a predictor of it."""

from __future__ import annotations

import asyncio
import re
import shutil
from html import escape
from pathlib import Path
from typing import Any
from uuid import uuid4

from nicegui import ui

from ncp.app.components import File, Problem, markup
from ncp.app.jobs import brought, trained
from ncp.app.limits import LARGEST
from ncp.app.problems import Place, complain, said
from ncp.app.subject import prepare
from ncp.app.visitor import Visitor
from ncp.errors import NcpError, quoted
from ncp.spaces.named import LARGEST_FILE, SPACES

KINDS = {"table": (".csv", ".parquet"), "space": (".yaml", ".yml", ".json")}
SIZES = {"table": LARGEST, "space": LARGEST_FILE}
WRITTEN = "by its own file"
TRAINING = 300.0
"""How long a training may take; of the most rows and columns it takes a tenth of that [seconds]."""


class Bringing:
    """The files of one visitor, and what is made of them."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.files: dict[str, Path] = {}
        self.names: dict[str, str] = {}
        self.busy = False
        with ui.element("div").classes("own"):
            with ui.element("section").classes("side").props('aria-label="files"'):
                self._fields()
            with ui.element("section").classes("answer").props('aria-label="what the files hold"'):
                self.told = markup(_ABOUT)
                self.training = ui.element("div").classes("training")
        with self.training:
            ui.label("A predictor of it").classes("heading").props("role=heading aria-level=2")
            ui.label(
                "A Gaussian process on half of the complete rows, and a judge of another family on the other half."
            ).classes("note")
            self.train = (
                ui.button("Train", on_click=self._train, color=None)
                .props("unelevated no-caps")
                .classes("primary short")
            )
            self.bar = ui.linear_progress(0, show_value=False).props('aria-label="training" rounded')
            self.trouble = Problem()
        self.bar.set_visibility(False)
        self._show()

    def _fields(self) -> None:
        self.problems: dict[str, Problem] = {}
        for name, label in (("table", "Table (.csv or .parquet)"), ("space", "Space (.yaml)")):
            ui.label(label).classes("heading").props("role=heading aria-level=2")
            File(
                label,
                KINDS[name],
                SIZES[name],
                lambda file, name=name: self._came(name, file),
                lambda file, size, name=name: self._rejected(name, file, size),
            )
            self.problems[name] = Problem()
            if name == "table":
                self.codes = ui.input("columns of the code", placeholder="as the space names them").props(
                    "outlined dense"
                )
                self.least = ui.input("less is better in", placeholder="latency, loss").props("outlined dense")
            else:
                self.known = ui.select([WRITTEN, *SPACES], value=WRITTEN, label="or a space by its name").props(
                    "outlined dense"
                )
        self.drop = ui.checkbox("leave bad rows out").props("dense")
        self.read = ui.button("Read", on_click=self._read, color=None).props("unelevated no-caps").classes("primary")
        self.problem = Problem()
        self.fields: dict[str, Place] = {"codes": self.codes, "minimised": self.least, "space": self.problems["space"]}

    async def _came(self, name: str, file: Any) -> None:
        """A file has come: keep it under a name of ours, if its kind and size are right."""
        ending = Path(file.name).suffix.lower()
        self.problems[name].error = None
        if ending not in KINDS[name] or file.size() > SIZES[name]:
            self._rejected(name, file.name, file.size())
            return
        folder = self.visitor.folder / uuid4().hex
        folder.mkdir()
        path = folder / f"{name}{ending}"
        await file.save(path)
        if self.visitor.gone:
            self.visitor.leave()  # saving made the folder again
            return
        old = self.files.pop(name, None)
        if old is not None:
            shutil.rmtree(old.parent, ignore_errors=True)
        self.files[name] = path
        self.names[name] = file.name

    def _rejected(self, name: str, file: str, size: int) -> None:
        kinds = " or ".join(KINDS[name])
        self.problems[name].error = (
            f"The file must end in {kinds} and have at most {SIZES[name] >> 20} MB. {quoted(file)} has "
            f"{size / 2**20:.1f} MB."
        )

    async def _read(self) -> None:
        """Make a table of the files."""
        self.problem.error = self.codes.error = self.least.error = None
        missing = [n for n in ("table", "space") if n not in self.files and not (n == "space" and self._by_name())]
        for name in missing:
            self.problems[name].error = f"Choose a file for the {name} first."
        if missing or self.busy:
            return
        self.busy = True
        self.read.props("loading")
        least = tuple(name.strip() for name in (self.least.value or "").split(",") if name.strip())
        folder = self.visitor.folder / uuid4().hex
        folder.mkdir()
        space = self.known.value if self._by_name() else self.files["space"]
        try:
            place = await self.visitor.trainers.run(
                brought, self.files["table"], space, least, self.codes.value or "", self.drop.value, folder
            )
            await asyncio.to_thread(prepare, place)
        except NcpError as error:
            complain(error, self.fields, self.problem, self._named)
            return
        finally:
            self.busy = False
            if not self.visitor.gone:
                self.read.props(remove="loading")
        if self.visitor.gone:
            return
        self._forget_table()
        self.visitor.name = self.names["table"]
        self.visitor.turn_to(place)
        self._show()

    def _forget_table(self) -> None:
        """Remove files made from earlier uploads, so that they do not fill the disk."""
        old = self.visitor.own
        if old is not None and old.table is not None:
            shutil.rmtree(Path(old.table).parent, ignore_errors=True)

    def _named(self, message: str) -> str:
        """The library's message with the visitor's names of the files, without where they lie on the server."""
        message = re.sub(re.escape(str(self.visitor.folder)) + r"(/[0-9a-f]+)*/?", "", message)
        for name, path in self.files.items():
            message = message.replace(path.name, self.names[name])
        return message

    def _by_name(self) -> bool:
        return bool(self.known.value != WRITTEN)

    async def _train(self) -> None:
        """Fit predictor and judge while the page goes on."""
        place = self.visitor.own
        if place is None or place.table is None or self.busy:
            return
        self.busy = True
        self.trouble.error = None
        self.bar.set_visibility(True)
        self.bar.set_value(0.02)
        self.train.disable()
        try:
            place = await self.visitor.trainers.run(
                trained, place, Path(place.table).parent, seconds=TRAINING, progress=self._on
            )
        except NcpError as error:
            self.trouble.error = self._named(said(error))
            return
        finally:
            self.busy = False
            if not self.visitor.gone:
                self.bar.set_visibility(False)
                self.train.enable()
        self.visitor.turn_to(place)
        self._show()

    def _on(self, share: float) -> None:
        if not self.visitor.gone and share - self.bar.value > 0.01:
            self.bar.set_value(share)

    def _show(self) -> None:
        """What there is."""
        subject = self.visitor.subject
        self.training.set_visibility(subject.own)
        if not subject.own or subject.table is None:
            return
        table = subject.table
        lines = [
            ("rows", f"{len(table):,}"),
            ("dimensions", f"{len(subject.space)}, {subject.space.size:.3g} codes"),
            ("columns", ", ".join(table.columns)),
        ]
        lines += [("less is better", ", ".join(table.minimised))] if table.minimised else []
        lines.append(("predictor", "trained" if subject.predictor is not None else "not trained yet"))
        body = "".join(f'<tr><th scope="row">{name}</th><td>{escape(value)}</td></tr>' for name, value in lines)
        self.told.set_content(
            f"<h2>{escape(self.visitor.name)}</h2><table><tbody>{body}</tbody></table>"
            '<p class="note">The first three tabs are about your table now; the switch above leads back.</p>'
        )


_ABOUT = """
<h2>A table and a space of your own</h2>
<p class="note">The space is a YAML file with a line per dimension: increasing numbers, or choices in quotes.</p>
<pre class="sample">width: {from: 8, to: 128, step: 8}
depth: [1, 2, 3, 5]
op: ["skip", "conv"]</pre>
<p class="note">The table has a column per dimension and a column per measured value:</p>
<pre class="sample">width,depth,op,acc,latency
64,3,conv,71.2,8.4</pre>
<p class="note">Files stay in a folder of their own, which is deleted when you close the page. They are read as numbers
and texts: nothing in them is run or unpickled.</p>
"""
