"""The codes that the user has kept in the tab Code: a list, and all of them side by side."""

from __future__ import annotations

from html import escape
from typing import Any

from nicegui import ui

from ncp.app.compared_codes import ComparedCodes
from ncp.app.components import csv_button, heading, markup, on_press
from ncp.app.session import Session

_ACTIONS = {"open": "Open", "remove": "Remove"}


class KeptCodes:
    """The list and the comparison, hidden while no code is kept."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.compared: ComparedCodes | None = None
        self._shown: Any = None
        with ui.element("section").classes("kept").props('aria-label="kept codes"') as self.box:
            heading("Kept codes")
            self.list, self.table = markup(), markup()
            csv_button("Save the kept codes as csv", "kept.csv", self._csv)
            self.differences = markup()
        on_press(self.list, self._press)

    def show(self) -> None:
        """Show the codes that are kept now."""
        kept, counting = self.session.kept, self.session.counting
        if self._shown == (kept, counting):
            return
        self._shown = (kept, counting)
        self.box.set_visibility(bool(kept))
        self.compared = None
        if kept:
            names = {str(number): code for number, code in enumerate(kept, start=1)}
            self.compared = ComparedCodes(self.session.dataset, counting, names)
            self.list.set_content("".join(self._line(place) for place in range(len(kept))))
            self.table.set_content(self.compared.table())
            self.differences.set_content(self.compared.changes() + self.compared.drawings())

    def _line(self, place: int) -> str:
        """A code with its number and buttons."""
        buttons = "".join(
            f'<button type="button" class="button" data-act="{action}" data-row="{place}" '
            f'aria-label="{text}, kept code {place + 1}">{text}</button>'
            for action, text in _ACTIONS.items()
        )
        code = escape(self.session.dataset.space.text(self.session.kept[place]))
        text = f"<span><b>{place + 1}</b> <code>{code}</code></span>"
        return f'<div class="code-line">{text}<span class="buttons">{buttons}</span></div>'

    def _press(self, action: str, place: int) -> None:
        """Open or remove a code."""
        kept = self.session.kept
        if not 0 <= place < len(kept):
            return
        if action == "open":
            self.session.open_code(kept[place])
        elif action == "remove":
            self.session.keep((*kept[:place], *kept[place + 1 :]))

    def _csv(self) -> bytes | None:
        """The comparison that is shown."""
        return None if self.compared is None else self.compared.csv()
