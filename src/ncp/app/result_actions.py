"""The buttons of the result table: open a code, or save the result, a report, a program or an ONNX file."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from nicegui import ui

from ncp.app.components import ErrorLine
from ncp.app.downloads import csv_of, onnx_of, python_of, report_of
from ncp.app.field_errors import message_of
from ncp.app.found import Found
from ncp.app.session import Session
from ncp.errors import NcpError
from ncp.extras import require_extra


class ResultActions:
    """Does what the buttons of a result table say.

    Args:
        session: the session whose code and files are used.
        problem: shows what goes wrong.
    """

    def __init__(self, session: Session, problem: ErrorLine) -> None:
        self.session, self.problem = session, problem
        self.found: Found | None = None

    async def press(self, action: str, index: int) -> None:
        """Do what a button says for the row with an index."""
        found = self.found
        if found is None or not 0 <= index < len(found.rows):
            return
        row = found.rows[index]
        if action == "open":
            self.session.open_code(row.vector, tab="Code")
        elif action == "json":
            ui.download.content(json.dumps(found.document, indent=2), found.name, "application/json")
        elif action == "csv":
            columns = found.columns
            data = csv_of(list(columns), zip(*columns.values(), strict=True))
            ui.download.content(data, found.name.replace(".json", ".csv"), "text/csv")
        elif action == "python":
            ui.download.content(python_of(self.session.dataset.space, row, found.provenance), "network.py")
        elif action == "report":
            ui.notify("Writing the report …")
            await self._save("report", "report.html", "text/html", report_of, found, self.session.dataset.source)
        elif action == "onnx":
            ui.notify("Writing the ONNX file and checking it against the network …")
            counting = self.session.counting
            await self._save("export", "network.onnx", "application/octet-stream", onnx_of, row.vector, counting)

    async def _save(self, extra: str, name: str, kind: str, job: Callable[..., bytes], *arguments: Any) -> None:
        """Let a worker make a file, which needs an extra, and send it to the browser."""
        try:
            require_extra(extra, name)
            data = await self.session.trainers.run(job, *arguments, self.session.folder)
        except NcpError as error:
            self.problem.error = message_of(error)
            return
        ui.download.content(data, name, kind)
