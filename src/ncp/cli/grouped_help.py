"""Help pages: commands and options in groups, and a usage line as the reader would type it."""

from __future__ import annotations

from typing import Any

import typer

COMMANDS = {
    "Find architectures": ("search", "pareto", "tune"),
    "Look at architectures and results": ("query", "cost", "draw", "profile", "compare", "report", "app"),
    "Make networks, predictors and files": ("train", "build", "train-predictor", "export"),
    "Manage tables, tasks and studies": ("data", "task", "study"),
}
"""The commands by heading, in the order of the help."""

SEARCH = {
    "Goal": ("task", "override", "tasks", "objective", "at_least", "uncertainty_penalty", "cost"),
    "Budget": ("max_gmacs", "max_mparams", "max_latency_ms", "latency", "image_size", "head", "classes"),
    "Data": ("table", "predictor", "prior", "warm_start", "root", "space"),
    "Search": (
        *("searchers", "queries", "trainings", "hours", "until_improvement", "strategy", "starts", "steps", "top"),
        *("origin", "from_", "max_changes", "freeze", "seed"),
    ),
    "Finalists": ("finalists", "final_epochs", "final_seeds"),
    "Runs": ("seeds", "workers", "ray", "device", "threads", "retry_failed"),
    "Output": ("out", "report", "keep_weights", "as_json"),
}
"""The options of searches by heading, in the order of the help; they have the names of the functions' arguments."""

HEADINGS = {
    "build": {
        "Tasks": ("task", "override"),
        "Codes": ("codes", "sample", "seed", "space"),
        "Budget of --sample": SEARCH["Budget"],
        "Runs": SEARCH["Runs"],
        "Output": SEARCH["Output"],
    },
    "train-predictor": {
        "Data": ("table", "tasks", "root"),
        "Predictor": ("config", "kind", "override"),
        "Output": SEARCH["Output"],
    },
    "profile": {
        "Network": ("head", "classes", "image_size"),
        "Measurement": ("batch", "device", "threads", "runtime", "precision"),
        "Latency model": ("calibrate", "count"),
        "Output": SEARCH["Output"],
    },
    "export": {
        "Network": ("run", "weights", "head", "classes"),
        "Input": ("image_size", "dynamic_size", "frames"),
        "Output": ("out", "format", "as_json"),
    },
}
"""The same for other commands with many options."""


OLD_NAMES = {
    "tune": {"--objective": "--tasks"},
    "profile": {"--codes": "--count"},
    "fetch": {"--from": "--mirror"},
    "import": {"--codes": "--code-columns"},
}
"""Earlier names of options by command. They still work, but the help does not list them."""


class GroupedCommands(typer.core.TyperGroup):
    """Commands whose help lists them in groups."""

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]  # noqa: ARG002
        """Write a section per group."""
        for title, names in COMMANDS.items():
            width = formatter.width - 6 - max(map(len, names))
            with formatter.section(title):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(width)) for name in names])


class Command(typer.core.TyperCommand):
    """A command whose usage line shows arguments as `CODE`, or `[CODE]` if they can be left out."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Read the words after the command's name, with old names of options replaced by new ones."""
        new = OLD_NAMES.get(str(self.name), {})
        parts = (each.partition("=") for each in args)
        return super().parse_args(ctx, ["".join((new.get(name, name), *value)) for name, *value in parts])

    def collect_usage_pieces(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """The words after the command's name."""
        arguments = [each for each in self.get_params(ctx) if each.param_type_name == "argument"]
        names = [each.metavar or str(each.name).upper() for each in arguments]
        return ["[OPTIONS]", *(n if each.required else f"[{n}]" for n, each in zip(names, arguments, strict=True))]

    def format_options(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Write a section for the arguments, and one or more for the options."""
        arguments = {}
        options = {}
        for each in self.get_params(ctx):
            record = each.get_help_record(ctx)
            if record is not None and each.param_type_name == "argument":
                arguments[str(each.name)] = (each.metavar or str(each.name).upper(), record[1])
            elif record is not None:
                options[str(each.name)] = record
        for title, records in {"Arguments": arguments, **self.sections(options)}.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(list(records.values()))

    def sections(self, options: dict[str, tuple[str, str]]) -> dict[str, dict[str, tuple[str, str]]]:
        """The help of options by heading."""
        return {"Options": options}


class GroupedOptions(Command):
    """A command with many options, which its help lists in groups."""

    def sections(self, options: dict[str, tuple[str, str]]) -> dict[str, dict[str, tuple[str, str]]]:
        """The help of options by heading; `Other` has those without one."""
        headings = HEADINGS.get(str(self.name), SEARCH)
        grouped = {
            title: {name: options[name] for name in names if name in options} for title, names in headings.items()
        }
        placed = {name for names in headings.values() for name in names}
        return {**grouped, "Other": {name: record for name, record in options.items() if name not in placed}}
