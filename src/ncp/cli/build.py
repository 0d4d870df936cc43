"""`ncp build`: train many codes on several tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ncp.cli.options import (
    AsJson,
    ClassesOption,
    HeadOption,
    ImageSizeOption,
    MaxGmacs,
    MaxMparams,
    SeedOption,
    read_budget,
    require_outputs,
)
from ncp.cli.output import print_json, say, written
from ncp.cli.study_screen import read_data, show_study, study_events
from ncp.errors import ConfigError

if TYPE_CHECKING:
    from ncp.optim.budget import Budget
    from ncp.spaces.arrays import Codes
    from ncp.spaces.space import Space

TasksOption = Annotated[
    list[Path],
    typer.Option("--task", metavar="FILE", help="Task file (YAML); repeat it for several tasks."),
]
CodesOption = Annotated[
    Path | None, typer.Option("--codes", metavar="FILE", help="Codes to train, one per line; # begins a comment.")
]
SampleOption = Annotated[
    int | None,
    typer.Option("--sample", metavar="N", min=1, help="Draw N codes at random instead, within --max-gmacs if given."),
]
SeedsOption = Annotated[int, typer.Option("--seeds", metavar="N", min=1, help="Trainings per code and task.")]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", min=1, help="Trainings at once [default: one per GPU, or per two cores]."),
]
RayOption = Annotated[
    str | None,
    typer.Option("--ray", metavar="ADDRESS", help="Train on a Ray cluster: HOST:PORT, or auto for this machine's."),
]
DevicesOption = Annotated[
    str | None,
    typer.Option("--device", metavar="NAME,..", help="cpu, cuda, or GPUs that workers share out: cuda:0,cuda:1."),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option("--threads", metavar="N", min=1, help="Threads per worker [default: the cores, divided]."),
]
SpaceOption = Annotated[
    str,
    typer.Option("--space", metavar="NAME|FILE", help="Search space of the codes; only commands train other spaces."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of every task, as in recipe.epochs=5."),
]


def build(
    task: TasksOption,
    codes: CodesOption = None,
    sample: SampleOption = None,
    max_gmacs: MaxGmacs = None,
    max_mparams: MaxMparams = None,
    image_size: ImageSizeOption = None,
    head: HeadOption = None,
    classes: ClassesOption = None,
    seed: SeedOption = 0,
    seeds: SeedsOption = 1,
    workers: WorkersOption = None,
    ray: RayOption = None,
    device: DevicesOption = None,
    threads: ThreadsOption = None,
    space: SpaceOption = "multires",
    override: SetOption = None,
    keep_weights: Annotated[bool, typer.Option("--weights/--no-weights", help="Keep trained weights.")] = True,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Train runs again that failed before.")] = False,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder of the study.")] = Path("study"),
    as_json: AsJson = False,
) -> None:
    """Train many codes on several tasks, into a table.

    Nothing is trained twice: the same command goes on after Ctrl-C or a crash, and other codes, tasks or seeds add to
    the study. --seed draws the codes of --sample.
    """
    require_outputs(out, None)

    import ncp
    from ncp.studies.overview import overview

    chosen = ncp.load_space(space)
    budget = read_budget(max_gmacs, max_mparams, image_size, head, classes)
    wanted = _codes(codes, sample, chosen, budget, seed)
    tasks = [ncp.load_task(file, override or ()) for file in task]
    read_data(tasks, as_json)
    with study_events(as_json) as events:
        ncp.build(
            wanted,
            tasks,
            folder=out,
            seeds=seeds,
            workers=workers,
            ray=ray,
            device=device,
            threads=threads,
            space=chosen,
            keep_weights=keep_weights,
            retry_failed=retry_failed,
            events=events,
        )
    _show(out, overview(out), as_json)


def _codes(file: Path | None, sample: int | None, space: Space, budget: Budget, seed: int) -> Codes:
    """The codes of a file, or codes drawn at random.

    Raises:
        ConfigError: both or neither are given, or a file without codes.
    """
    if (file is None) == (sample is None):
        raise ConfigError("Name the codes to train: either --codes FILE or --sample N.")
    if file is None:
        from ncp.optim.sampling import sample_codes

        return sample_codes(space, sample or 0, budget, seed)
    if budget.bounds:
        raise ConfigError("--max-gmacs and --max-mparams bound the codes of --sample. Leave them out with --codes.")
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is not a text file. Write one code per line.") from None
    texts = [text for line in lines if (text := line.partition("#")[0].strip())]
    if not texts:
        raise ConfigError(f"{file} has no codes. Write one per line.")
    return space.codes(texts)


def _show(folder: Path, found: Any, as_json: bool) -> None:
    from ncp.studies.study_folder import TABLE, TRAININGS

    files = [folder / name for name in (TABLE, TRAININGS)]
    if as_json:
        print_json({**found.to_dict(), "files": files})
    else:
        show_study(found)
        say(f"ncp search --table {folder / TABLE} and other commands use the table.")
        written(*files)
