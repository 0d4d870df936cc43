"""`ncp task`: check and show task files."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ncp.cli.grouped_help import Command
from ncp.cli.options import AsJson, read_code
from ncp.cli.output import print_json, progress_bar, say, show_table
from ncp.errors import counted
from ncp.io.files import plain

if TYPE_CHECKING:
    from ncp.tasks.command import CommandTask
    from ncp.tasks.decoded import Prepared
    from ncp.tasks.epoch import Epoch
    from ncp.tasks.kind import Dataset
    from ncp.tasks.task import Task

SMALL = "32_32-1_1_2_48-1_2_2_2_32_64-1_3_2_2_2_32_64_96-1_4_2_2_2_2_32_48_64_96-128"
"""The network whose cost is shown if none is named."""
FEW = 300
"""Steps below which a network hardly learns, whatever the data."""
COARSE = 30
"""Evaluated samples below which a metric says little."""
LISTED = 10
"""Most classes without samples that are listed."""
PRECISIONS = {
    "float32": (),
    "auto": ("Precision auto: bfloat16 on GPUs that have it, float32 on processors.",),
    "bfloat16": (
        "Precision bfloat16 on processors, too: those without AVX512-BF16 or AMX emulate it,",
        "which is slow. Set recipe.precision=auto to use bfloat16 on GPUs only.",
    ),
}
"""What processors do with the precision of a recipe."""
BAD = 2
"""Exit status if files cannot be used."""

app = typer.Typer(help="Check and show task files.", no_args_is_help=True)

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="Task file (YAML).")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key, as in recipe.epochs=5 (repeatable)."),
]


@app.command(cls=Command)
def show(file: FileArgument, override: SetOption = None, as_json: AsJson = False) -> None:
    """Print a task file with every default."""
    import ncp
    from ncp.tasks.task import Task

    task = ncp.load_task(file, override or ())
    if as_json:
        print_json(task.to_dict())
    else:
        say(*_yaml(task.to_dict()))
        if isinstance(task, Task):
            say(*(f"# {remark}" for remark in (*task.remarks, *PRECISIONS[task.recipe.precision])))


@app.command(cls=Command)
def check(
    file: FileArgument,
    code: Annotated[
        str | None,
        typer.Option("--code", metavar="CODE", help="Network whose cost is shown [default: a small one]."),
    ] = None,
    override: SetOption = None,
    as_json: AsJson = False,
) -> None:
    """Read all data of a task; print bad files, classes, sizes and costs.

    It prints the recipe, too. The weights of recipe.pretrained are read; with --code, they must fit its network. The
    decoded data stays in the cache, where trainings find it. The exit status is 2 if files cannot be used.
    """
    import ncp
    from ncp.tasks.decoded import BadFilesError
    from ncp.tasks.epoch import epoch_of
    from ncp.tasks.task import Task
    from ncp.training.loop import start_from

    architecture = read_code(code or SMALL)
    task = ncp.load_task(file, override or ())
    if not isinstance(task, Task):
        _show_command(task, as_json)
        return
    weights = _pretrained(task)
    try:
        with progress_bar("Reading the data") as bar:
            prepared = task.prepare(bar)
    except BadFilesError as error:
        _show_bad(error, as_json)
        raise typer.Exit(BAD) from None
    if weights is not None and code is not None:
        start_from(task.kind.network(architecture, prepared.classes, task.recipe), task.recipe.pretrained)
        weights["fits"] = True
    epoch = epoch_of(task, prepared, architecture)
    if as_json:
        print_json({**_facts(task, prepared, str(architecture), epoch), "pretrained": weights})
    else:
        _show(task, prepared, str(architecture), epoch)
        _show_weights(weights)


def _pretrained(task: Task) -> dict[str, Any] | None:
    """What is in the file of weights that trainings start from; None if they start from random ones.

    Raises:
        DataError: the file cannot be read.
    """
    from ncp.network.network_file import read_whole_weights

    file = task.recipe.pretrained
    if file is None:
        return None
    weights = read_whole_weights(file)
    return {"file": file, "arrays": len(weights), "numbers": sum(each.numel() for each in weights.values())}


def _show_weights(weights: dict[str, Any] | None) -> None:
    if weights is None:
        return
    say(f"Start: {weights['file']}, {counted(weights['arrays'], 'array')}, {weights['numbers']:,} numbers.")
    if "fits" in weights:
        say("They fit the network.")
    else:
        say("Whether they fit a network depends on its code: add --code CODE.")


def _show_command(task: CommandTask, as_json: bool) -> None:
    """Check the files of a command, whose data only the command itself reads."""
    digest = task.prepare()
    if as_json:
        print_json({"task": task.to_dict(), "data_hash": digest})
    else:
        say(*_yaml(task.to_dict()), "The files can be read. What else the command needs is not checked.")


def _show_bad(error: Any, as_json: bool) -> None:
    """Every file that cannot be used, and why."""
    if as_json:
        print_json({"bad": [{"file": name, "reason": reason} for name, reason in error.bad]})
        return
    say(*(reason for _, reason in error.bad))
    say(
        f"Samples that cannot be used: {len(error.bad)}. Mend or remove these files, or leave them out with",
        "`skip_bad: true` in the section data.",
    )


def _facts(task: Task, prepared: Prepared, code: str, epoch: Epoch) -> dict[str, Any]:
    from ncp.tasks.decoding import unread_pictures

    splits = {"train": prepared.train, "val": prepared.val}
    return {
        "task": task.to_dict(),
        "classes": prepared.classes,
        "data_hash": prepared.data_hash,
        "skipped": [{"file": name, "reason": reason} for name, reason in prepared.skipped],
        "ignored": unread_pictures(task.folder),
        "samples_of_classes": task.listing.counts({name for name, _ in prepared.skipped}),
        "splits": {name: {"samples": len(split), "arrays": _arrays(split)} for name, split in splits.items()},
        "code": code,
        "steps_per_epoch": epoch.steps,
        "steps": epoch.total,
        "training_macs_per_epoch": epoch.training,
        "evaluation_macs": epoch.evaluation,
    }


def _show(task: Task, prepared: Prepared, code: str, epoch: Epoch) -> None:
    from ncp.tasks.decoding import unread_pictures

    if unread := unread_pictures(task.folder):
        say(
            f"Pictures that are ignored, because their format is not read: {len(unread)}, such as {unread[0]}.",
            "Convert them to JPEG or PNG.",
        )
    skipped = prepared.skipped
    if skipped:
        say(f"Samples that are left out: {len(skipped)}", *(f"  {reason}" for _, reason in skipped))
    say(f"{task.name}: {task.kind.name}, {counted(len(prepared.classes), 'class', 'classes')}, in {task.folder}")
    say(*textwrap.wrap(", ".join(prepared.classes), _width(), initial_indent="  ", subsequent_indent="  "))
    show_table(
        ["split", "samples", "first sample"],
        [
            [name, f"{len(split):,}", "\n".join(_described(split))]
            for name, split in (("train", prepared.train), ("val", prepared.val))
        ],
        left=["first sample"],
    )
    say("", *_yaml({"recipe": task.to_dict()["recipe"]}))
    say(f"Steps: {epoch.steps:,} per epoch, {epoch.total:,} in all.")
    say(*warnings_of(task, prepared, epoch))
    say(f"Network: {code}")
    for work, macs in (("training", epoch.training), ("evaluation", epoch.evaluation)):
        if macs is None:
            say(f"The cost of {work} is not counted: both sides of its images must be multiples of 32.")
        else:
            say(f"Cost of {work}: {macs / 1e12:.4g} TMACs per epoch.")


def warnings_of(task: Task, prepared: Prepared, epoch: Epoch) -> list[str]:
    """What a user should know before such a training: missing classes, a long warm-up, few steps, few samples."""
    from ncp.tasks.recipe import WARMUP
    from ncp.training.schedules import warmup_steps

    found = [*task.remarks, *_missing_classes(task, prepared)]
    warmup = warmup_steps(task.recipe.schedule, epoch.steps, epoch.total)
    if warmup - 1 >= WARMUP * epoch.total:  # a step less may be rounded
        of = f"{warmup:,} of {counted(epoch.total, 'step')}"
        found.append(f"The warm-up takes {of}, so the learning rate falls for few steps.")
        found.append("Lower recipe.schedule.warmup.")
    if epoch.total < FEW:
        found.append("These are few steps to learn from. Raise recipe.epochs, or lower recipe.batch.")
    if len(prepared.val) < COARSE:
        found.append(f"Metrics will be coarse, because only {counted(len(prepared.val), 'sample')} will be evaluated.")
    return found


def _missing_classes(task: Task, prepared: Prepared) -> Iterator[str]:
    """Which classes have no sample in a split, how many they have in the other one, and what to do."""
    counts = task.listing.counts({name for name, _ in prepared.skipped})
    chosen = any((task.folder / name).is_dir() for name in ("val", "test"))
    for split, other in (("train", "val"), ("val", "train")) if counts else ():
        lacking = [name for name, count in counts[split].items() if not count]
        if lacking:
            listed = ", ".join(f"{name} ({counts[other][name]} in {other})" for name in lacking[:LISTED])
            more = f" and {len(lacking) - LISTED} more" if len(lacking) > LISTED else ""
            yield f"Classes without a sample in {split}: {listed}{more}."
            if chosen or split == "train":
                yield f"Add samples of them to {split}."
            else:
                yield "Make the folders train and val, with samples of every class in both."


def _arrays(split: Dataset) -> dict[str, dict[str, Any]]:
    """Shape and type of each array of the first sample."""
    found = {name: array[0] for name, array in split.batch([0]).items()}
    return {
        name: {"shape": list(array.shape), "type": str(array.dtype).removeprefix("torch.")}
        for name, array in found.items()
    }


def _described(split: Dataset) -> list[str]:
    return [
        f"{name}: {' x '.join(map(str, array['shape'])) or 'a number'} ({array['type']})"
        for name, array in _arrays(split).items()
    ]


def _yaml(document: dict[str, Any]) -> list[str]:
    import yaml

    text: str = yaml.safe_dump(plain(document), sort_keys=False, allow_unicode=True, default_flow_style=None, width=60)
    return text.rstrip().splitlines()


def _width() -> int:
    return shutil.get_terminal_size().columns
