"""`ncp draw` as a user types it."""

import json
import re
from pathlib import Path

import pytest

from ncp import Code, macs, params
from ncp.report.formats import save
from ncp.report.network_drawing import network_picture
from ncp.report.network_facts import network_facts
from tests.cli.conftest import Run

TEXT = "96_128-1_1_1_48-1_2_1_1_128_8-1_3_1_1_1_128_128_120-4_4_4_4_4_4_128_128_128_128-64"
OTHER = "96_128-1_1_1_48-1_2_1_1_128_8-1_3_1_1_1_128_64_120-2_4_4_4_4_4_128_128_128_128-64"
CODE = Code.parse(TEXT)


@pytest.mark.parametrize("written", [TEXT, json.dumps(CODE.vector), json.dumps(CODE.setting)])
def test_draws_any_written_form(run: Run, written: str) -> None:
    assert run("draw", written) == (0, "Written: net.svg\n", "")
    replaced = "net.svg replaces an earlier file. To keep both, name another file with --out.\n"
    assert run("draw", written) == (0, f"Written: net.svg\n{replaced}", "")
    assert run("draw", written, "--json").err == f"ncp: {replaced}"
    save(network_picture(network_facts(CODE)), "expected.svg")
    assert Path("net.svg").read_bytes() == Path("expected.svg").read_bytes()


@pytest.mark.parametrize(("option", "name", "magic"), [("-o", "a/net.png", b"\x89PNG"), ("--out", "net.PDF", b"%PDF")])
def test_the_ending_is_the_format(run: Run, option: str, name: str, magic: bytes) -> None:
    assert run("draw", TEXT, OTHER, option, name) == (0, f"Written: {name}\n", "")
    assert Path(name).read_bytes().startswith(magic)


def test_json_of_one(run: Run) -> None:
    status, out, err = run("draw", TEXT, "--json")
    facts = json.loads(out)
    assert (status, err, Path("net.svg").exists()) == (0, "", True)
    assert (facts["code"], facts["image_size"], facts["classes"]) == (TEXT, [128, 128], 50)
    assert sum(facts["parts"].values()) == facts["macs"] == macs(CODE).item()
    assert facts["params"] == params(CODE).item()
    assert [module["stage"] for module in facts["modules"]] == [1, 2, 3, 4, 4, 4, 4]
    assert facts["modules"][1] == {
        "stage": 2,
        "edges": [{"kind": "straight", "source": 1, "target": 1}, {"kind": "new", "source": 1, "target": 2}],
        "blocks": [1, 1],
        "channels": [128, 8],
    }


@pytest.mark.slow
def test_json_of_two(run: Run) -> None:
    status, out, _ = run("draw", TEXT, OTHER, "--json")
    facts = json.loads(out)
    assert (status, list(facts)) == (0, ["networks", "changed", "difference", "path"])
    alone = [json.loads(run("draw", code, "--json", "-o", "alone.svg").out) for code in (TEXT, OTHER)]
    assert [network | {"path": "alone.svg"} for network in facts["networks"]] == alone
    assert facts["changed"] == {"c3_2": [128, 64], "b4": [4, 2]}
    cost = [(macs(text).item(), params(text).item()) for text in (Code.parse(TEXT), Code.parse(OTHER))]
    assert facts["difference"] == {"macs": cost[1][0] - cost[0][0], "params": cost[1][1] - cost[0][1]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([TEXT.replace("96", "97")], "Expected a multiple of 8 from 8 to 128 for i1. Got 97."),
        ([TEXT, "[1, 2]"], "Expected 27 integers, or the 31 of a text. Got 2 in [1, 2]."),
        ([TEXT, "-o", "net.gif"], "--out must end in .svg, .png or .pdf, got 'net.gif'."),
        ([TEXT, "-o", "net"], "--out must end in .svg, .png or .pdf, got 'net'."),
        (
            [TEXT, "-o", "file/net.svg"],
            "Cannot write file/net.svg: {here}/file is not a folder. Choose another path.",
        ),
        (
            [TEXT, "-o", "folder.svg"],
            "Cannot write folder.svg: it is a folder. Name a file in it.",
        ),
    ],
)
@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_bad_input_is_one_message_and_exit_status_2(
    run: Run, arguments: list[str], message: str, as_json: list[str]
) -> None:
    Path("file").touch()
    Path("folder.svg").mkdir()
    ran = run("draw", *arguments, *as_json)
    assert (ran.status, ran.out, ran.err) == (2, "", f"ncp: {message.format(here=Path.cwd())}\n")
    assert sorted(path.name for path in Path().iterdir()) == ["file", "folder.svg"]


@pytest.mark.parametrize("arguments", [[], [TEXT, TEXT, TEXT], [TEXT, "--nonsense"]])
def test_a_mistake_in_the_command_line_is_exit_status_2(run: Run, arguments: list[str]) -> None:
    ran = run("draw", *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert re.match(r"Usage: .*ncp draw \[OPTIONS\] \{?CODE", ran.err)
    assert "Traceback" not in ran.err


def test_help(run: Run) -> None:
    ran = run("draw", "--help")
    assert ran.status == 0
    assert all(option in ran.out for option in ("CODE", "CODE2", "-o", "--out", "--json", ".svg"))
