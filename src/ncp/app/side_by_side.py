"""The fields of the comparison of two codes, A and B, below the benchmark."""

from __future__ import annotations

from nicegui import ui

from ncp.app.compared_codes import ComparedCodes, Vector
from ncp.app.components import csv_button, heading, markup
from ncp.app.field_errors import message_of
from ncp.app.session import Session
from ncp.errors import NcpError


class SideBySide:
    """Fields for two codes, A and B, and their comparison."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.codes: dict[str, Vector] = {}
        self.compared: ComparedCodes | None = None
        heading("Side by side")
        self.fields: dict[str, ui.input] = {}
        with ui.element("div").classes("pair"):
            for name in ("a", "b"):
                with ui.element("div").classes("slot"):
                    field = ui.input(f"code {name.upper()}").without_auto_validation()
                    field.props("outlined dense hide-bottom-space debounce=350 spellcheck=false")
                    field.on_value_change(lambda name=name: self._read(name))
                    self.fields[name] = field
                    button = ui.button(
                        "Use the open code", on_click=lambda name=name: self.set(name, self.session.code), color=None
                    )
                    button.props(f'flat no-caps aria-label="open code as {name.upper()}"').classes("plain")
        self.comparison = markup('<p class="note">Enter two codes, or press A and B beside a row.</p>')
        self.save = csv_button("Save this comparison as csv", "side-by-side.csv", self._csv)
        self.save.set_visibility(False)

    def set(self, name: str, code: Vector) -> None:
        """Set the code A or B."""
        self.codes[name] = tuple(code)
        self.fields[name].error = None
        self.fields[name].value = self.session.dataset.space.text(code)
        self._show()
        if len(self.codes) == 2:  # it lies below the lists in which the codes are chosen
            ui.run_javascript(f"getHtmlElement({self.comparison.id}).scrollIntoView({{ block: 'nearest' }})")

    def _read(self, name: str) -> None:
        field = self.fields[name]
        try:
            code = self.session.read_code(field.value)
        except NcpError as error:
            field.error = message_of(error) if field.value else None
            return
        field.error = None
        if self.codes.get(name) != code:
            self.codes[name] = code
            self._show()

    def _show(self) -> None:
        """Compare the two codes, once there are two."""
        if len(self.codes) == 2:
            codes = {"A": self.codes["a"], "B": self.codes["b"]}
            self.compared = ComparedCodes(self.session.dataset, self.session.counting, codes)
            parts = (self.compared.drawings(), self.compared.changes(), self.compared.table())
            self.comparison.set_content("".join(parts))
            self.save.set_visibility(True)

    def _csv(self) -> bytes | None:
        """The comparison that is shown."""
        return None if self.compared is None else self.compared.csv()
