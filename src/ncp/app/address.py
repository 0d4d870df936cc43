"""The state of a page as the query of its address, so that reloading keeps it and a link shares it.

The query names the tab, the code, the codes that are kept, how cost is counted, and the settings of the search, each
unless it is the default. It describes the benchmark: uploaded tables are not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from nicegui.element import Element

from ncp.app.field_errors import message_of
from ncp.app.session import START, Session
from ncp.cost import Counting, read_image_size
from ncp.errors import NcpError, quoted
from ncp.spaces.multires import Code

SETTINGS = (
    *("find", "changes", "objective", "minimum", "gmacs", "mparams", "latency", "keep"),
    *("strategy", "starts", "steps", "penalty"),
)
"""What the address calls the fields of the search."""
LONGEST = 4000
"""Longest query that is read [characters]."""
WAIT = 250
"""A change is shown in the address when nothing has changed for this long [ms]."""


class Address(Element, component="address.js"):
    """The address in the user's browser; `on_visit` gets the state of the step that they go back or forward to."""

    def __init__(self, on_visit: Callable[[dict[str, str]], Any]) -> None:
        super().__init__()
        self._props["wait"] = WAIT
        self.on("visit", lambda event: on_visit(read_query(str(event.args["query"]))))

    def show(self, state: Mapping[str, str], step: bool) -> None:
        """Show a state, as a new step of the browser's history or in place of the last one."""
        self.run_method("show", write_query(state), step)


def read_query(query: str) -> dict[str, str]:
    """The state that a query describes; nothing of a query that is too long.

    >>> read_query("tab=search&gmacs=4")
    {'tab': 'search', 'gmacs': '4'}
    """
    return {} if len(query) > LONGEST else dict(parse_qsl(query, keep_blank_values=True))


def write_query(state: Mapping[str, str]) -> str:
    """The query that describes a state.

    >>> write_query({"tab": "search", "objective": "seg/mIoU:2,video/top1"})
    'tab=search&objective=seg/mIoU:2,video/top1'
    """
    return urlencode(state, safe="/:,", quote_via=quote)


def slug(tab: str) -> str:
    """What the address calls a tab.

    >>> slug("Your table")
    'your-table'
    """
    return tab.lower().replace(" ", "-")


def state_of(session: Session, tabs: list[str]) -> dict[str, str]:
    """The state of a session, without what is as in a new one; the first of `tabs` is shown then."""
    state = {} if session.tab == tabs[0] else {"tab": slug(session.tab)}
    if session.dataset.uploaded:
        return state
    code, counting, usual = Code.from_vector(session.code), session.counting, session.first_counting
    if str(code) != START:
        state["code"] = str(code)
    if session.kept:
        state["kept"] = ",".join(session.dataset.space.text(kept) for kept in session.kept)
    if image_text(counting) != image_text(usual):
        state["image"] = image_text(counting)
    if counting.classes != usual.classes:
        state["classes"] = str(counting.classes)
    if counting.task != usual.task:
        state["head"] = counting.task
    return state | session.settings


def visit(session: Session, state: Mapping[str, str], tabs: list[str]) -> str:
    """Show the state of a link. Return what was wrong with it: those parts are as in a new session."""
    named = {slug(tab): tab for tab in tabs}
    problems = []
    tab = named.get(state.get("tab", slug(tabs[0])))
    if tab is None:
        problems.append(f"There is no tab {quoted(state['tab'])}.")
    code, counting = Code.parse(START), session.first_counting
    try:
        code = Code.parse(state.get("code", START))
    except NcpError as error:
        problems.append(message_of(error))
    try:
        counting = read_counting(
            state.get("image", image_text(counting)),
            state.get("classes", str(counting.classes)),
            state.get("head", counting.task),
        )
    except NcpError as error:
        problems.append(message_of(error))
    settings = {name: state[name] for name in SETTINGS if name in state}
    session.visit(tab or tabs[0], code.vector, counting, settings)
    return f"A part of this link was ignored. {' '.join(problems)}" if problems else ""


def read_kept(session: Session, state: Mapping[str, str]) -> str:
    """Keep the codes of a link. Return what was wrong with it: those codes are left out."""
    kept, problems = [], []
    for text in filter(None, state.get("kept", "").split(",")):
        try:
            kept.append(session.read_code(text))
        except NcpError as error:
            problems.append(message_of(error))
    session.keep(tuple(kept))
    return f"A kept code of this link was left out. {problems[0]}" if problems else ""


def image_text(counting: Counting) -> str:
    """The image size as its field shows it.

    >>> image_text(Counting(128)), image_text(Counting((512, 1024)))
    ('128', '512x1024')
    """
    height, width = counting.sides
    return str(height) if height == width else f"{height}x{width}"


def read_counting(image: str, classes: str, head: str) -> Counting:
    """How cost is counted, from the texts of fields or of a link.

    Raises:
        ConfigError: an image size, number of classes or head that cannot be counted.
    """
    count: Any = int(classes) if classes.isdecimal() else classes
    task: Any = head
    return Counting(read_image_size(image), count, task)
