"""The tab Your table: upload a table and its search space, and train a predictor on it."""

from __future__ import annotations

import asyncio
import re
import shutil
from html import escape
from pathlib import Path
from typing import Any
from uuid import uuid4

from nicegui import ui

from ncp.app.components import ErrorLine, File, heading, markup
from ncp.app.dataset import prepare
from ncp.app.example_table import NAME, example_csv
from ncp.app.field_errors import Field, message_of, show_error
from ncp.app.jobs import import_table, train_predictor
from ncp.app.limits import LARGEST
from ncp.app.session import Session
from ncp.app.table_preview import Preview, preview_html, preview_table
from ncp.errors import NcpError, quoted
from ncp.spaces.families import named_spaces
from ncp.spaces.named import LARGEST_FILE

ENDINGS = {"table": (".csv", ".parquet"), "space": (".yaml", ".yml", ".json")}
SIZES = {"table": LARGEST, "space": LARGEST_FILE}
GUESSED, FROM_FILE = "guessed from the table", "from a file"
TRAINING = 300.0
"""Longest training [s]; the largest table takes a tenth of that."""


class UploadTab:
    """The tab of one session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.files: dict[str, Path] = {}
        self.names: dict[str, str] = {}
        self.busy = False
        self.sending = 0
        self.sent = asyncio.Event()
        self.sent.set()
        self.guessed_minimised = self.preview_problem = ""
        with ui.element("div").classes("upload-tab"):
            with ui.element("section").classes("side").props('aria-label="files"'):
                self._build_fields()
            with ui.element("section").classes("answer").props('aria-label="the table"'):
                self.summary = markup(_HELP)
                self.training = ui.element("div").classes("training")
        with self.training:
            self._build_training()
        self._show()

    def _build_fields(self) -> None:
        self.problems: dict[str, ErrorLine] = {}
        self._build_file("table", "Table (.csv or .parquet)")
        example = ui.button("Save an example table", color=None).props("flat no-caps").classes("plain")
        example.on_click(lambda: ui.download.content(example_csv(), NAME, "text/csv"))
        self.minimised = ui.input("columns where lower is better", placeholder="latency, loss")
        with ui.element("details").classes("group") as self.more:
            with ui.element("summary"):
                ui.label("Search space").classes("group-name")
                space = ui.label(GUESSED).classes("group-code")
            self._build_space()
        self.space.on_value_change(lambda: space.set_text(self.space.value))
        self.minimised.props("outlined dense")
        self.drop_bad = ui.checkbox("skip invalid rows").props("dense")
        self.read_button = ui.button("Read", on_click=self._read, color=None)
        self.read_button.props("unelevated no-caps").classes("primary")
        self.problem = ErrorLine()
        self.fields: dict[str, Field] = {
            "codes": self.codes,
            "minimised": self.minimised,
            "space": self.problems["space"],
        }

    def _build_space(self) -> None:
        self.space = ui.select([GUESSED, FROM_FILE, *named_spaces()], value=GUESSED, label="search space")
        self.codes = ui.input("columns of the code", placeholder="width, depth, op")
        for field in (self.space, self.codes):
            field.props("outlined dense")
        self._build_file("space", "Search space (.yaml)")

    def _build_file(self, name: str, label: str) -> None:
        heading(label)
        File(
            label,
            ENDINGS[name],
            SIZES[name],
            lambda: self._begin_sending(name),
            lambda file: self._save(name, file),
            lambda file, size: self._reject(name, file, size),
        )
        self.problems[name] = ErrorLine()

    def _build_training(self) -> None:
        heading("Train a predictor")
        ui.label(
            "This fits a Gaussian process to half of the rows without missing values, and a judge of another family to "
            "the other half."
        ).classes("note")
        self.train_button = ui.button("Train", on_click=self._train, color=None)
        self.train_button.props("unelevated no-caps").classes("primary short")
        self.bar = ui.linear_progress(0, show_value=False).props('aria-label="training" rounded')
        self.bar.set_visibility(False)
        self.training_problem = ErrorLine()

    def _begin_sending(self, name: str) -> None:
        """Note that a file has been chosen and is being sent."""
        self._count_sending(1)
        if name == "space":
            self.space.value = FROM_FILE

    def _count_sending(self, change: int) -> None:
        """Let Read wait while files are being sent. A file can arrive before the message that it was chosen."""
        self.sending += change
        if self.sending > 0:
            self.sent.clear()
        else:
            self.sent.set()

    async def _save(self, name: str, file: Any) -> None:
        """Save an uploaded file under a name of ours, if its ending and size are allowed, and preview a table."""
        ending = Path(file.name).suffix.lower()
        self.problems[name].error = None
        if ending not in ENDINGS[name] or file.size() > SIZES[name]:
            self._reject(name, file.name, file.size())
            return
        folder = self.session.folder / uuid4().hex
        folder.mkdir()
        path = folder / f"{name}{ending}"
        try:
            await file.save(path)
        finally:
            self._count_sending(-1)
        if self.session.closed:
            self.session.close()  # saving made the folder again
            return
        old = self.files.pop(name, None)
        if old is not None:
            shutil.rmtree(old.parent, ignore_errors=True)
        self.files[name] = path
        self.names[name] = file.name
        if name == "table":
            await self._preview(path)

    async def _preview(self, path: Path) -> None:
        """Show the beginning of a table, and suggest the columns where lower is better."""
        try:
            preview: Preview = await self.session.trainers.run(preview_table, path)
        except NcpError as error:
            if not self.session.closed and not self.busy:  # a table that is read has a message of its own
                self.preview_problem = self._with_user_names(message_of(error))
                self.problems["table"].error = self.preview_problem
            return
        if self.session.closed or self.busy or self.files.get("table") != path:
            return
        self.summary.set_content(preview_html(preview, self.names["table"]))
        if (self.minimised.value or "") == self.guessed_minimised:
            self.minimised.value = self.guessed_minimised = preview.minimised

    def _reject(self, name: str, file: str, size: int) -> None:
        self._count_sending(-1)
        endings = " or ".join(ENDINGS[name])
        self.problems[name].error = (
            f"The file must end in {endings} and have at most {SIZES[name] >> 20} MB. {quoted(file)} has "
            f"{size / 2**20:.1f} MB."
        )

    async def _read(self) -> None:
        """Read the files into a table, and switch the session to it."""
        await self.sent.wait()
        self.problem.error = self.codes.error = self.minimised.error = None
        if self.problems["table"].error == self.preview_problem:
            self.problems["table"].error = None
        needed = ("table", "space") if self.space.value == FROM_FILE else ("table",)
        missing = [name for name in needed if name not in self.files]
        for name in missing:
            self.problems[name].error = f"Choose a file for the {name} first."
        if missing or self.busy:
            return
        self.busy = True
        self.read_button.props("loading")
        minimised = tuple(name.strip() for name in (self.minimised.value or "").split(",") if name.strip())
        folder = self.session.folder / uuid4().hex
        folder.mkdir()
        choice = self.space.value
        space = {GUESSED: None, FROM_FILE: self.files.get("space")}.get(choice, choice)
        arguments = (self.files["table"], space, minimised, self.codes.value or "", self.drop_bad.value, folder)
        try:
            dataset = await self.session.trainers.run(import_table, *arguments)
            await asyncio.to_thread(prepare, dataset)
        except NcpError as error:
            show_error(error, self.fields, self.problem, self._with_user_names)
            if self.codes.error or self.problems["space"].error:
                self.more.props("open")
            return
        finally:
            self.busy = False
            if not self.session.closed:
                self.read_button.props(remove="loading")
        if self.session.closed:
            return
        self._delete_table()
        self.session.upload_name = self.names["table"]
        self.session.use(dataset)
        self._show()

    def _delete_table(self) -> None:
        """Delete the files that were made from earlier uploads, so that they do not fill the disk."""
        old = self.session.uploaded
        if old is not None and old.table is not None:
            shutil.rmtree(Path(old.table).parent, ignore_errors=True)

    def _with_user_names(self, message: str) -> str:
        """A message with the user's names of the files, and without paths on the server."""
        message = re.sub(re.escape(str(self.session.folder)) + r"(/[0-9a-f]+)*/?", "", message)
        for name, path in self.files.items():
            message = message.replace(path.name, self.names[name])
        return message

    async def _train(self) -> None:
        """Train a predictor and a judge; the page stays usable meanwhile."""
        dataset = self.session.uploaded
        if dataset is None or dataset.table is None or self.busy:
            return
        self.busy = True
        self.training_problem.error = None
        self.bar.set_visibility(True)
        self.bar.set_value(0.02)
        self.train_button.disable()
        try:
            dataset = await self.session.trainers.run(
                train_predictor, dataset, Path(dataset.table).parent, seconds=TRAINING, progress=self._progress
            )
        except NcpError as error:
            self.training_problem.error = self._with_user_names(message_of(error))
            return
        finally:
            self.busy = False
            if not self.session.closed:
                self.bar.set_visibility(False)
                self.train_button.enable()
        self.session.use(dataset)
        self._show()

    def _progress(self, share: float) -> None:
        if not self.session.closed and share - self.bar.value > 0.01:
            self.bar.set_value(share)

    def _show(self) -> None:
        """Describe the table, once there is one."""
        dataset = self.session.dataset
        self.training.set_visibility(dataset.uploaded)
        if not dataset.uploaded or dataset.table is None:
            return
        table = dataset.table
        lines = [
            ("rows", f"{len(table):,}"),
            ("dimensions", f"{len(dataset.space)} ({dataset.space.size:.3g} codes)"),
            ("columns", ", ".join(table.columns)),
        ]
        if table.minimised:
            lines.append(("lower is better", ", ".join(table.minimised)))
        lines.append(("predictor", "trained" if dataset.predictor is not None else "not trained yet"))
        body = "".join(f'<tr><th scope="row">{name}</th><td>{escape(value)}</td></tr>' for name, value in lines)
        self.summary.set_content(
            f"<h2>{escape(self.session.upload_name)}</h2><table><tbody>{body}</tbody></table>"
            '<p class="note">The first three tabs now show your table. The switch above goes back to NAS-Bench-MR.</p>'
        )


_HELP = """
<h2>Use your own table</h2>
<p class="note">The table has a row per network, with a column per dimension of its code and per measured value:</p>
<pre class="sample">width,depth,op,acc,latency
64,3,conv,71.2,8.4</pre>
<p class="note">Choose the file, and this page shows what it takes each column for: whole numbers and words with few
different values are dimensions, all other numbers are values. If that is wrong, open Search space and name the columns
of the code, or choose a YAML file with a line per dimension, which lists increasing numbers or choices in quotes:</p>
<pre class="sample">width: {from: 8, to: 128, step: 8}
depth: [1, 2, 3, 5]
op: ["skip", "conv"]</pre>
<p class="note">Files are read as numbers and text; nothing in them is run or unpickled. They are deleted when you close
the page.</p>
"""
