"""The sections of a search for few trainings on the page of a study."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from ncp.cost_text import gmacs_text, mparams_text
from ncp.errors import counted
from ncp.optim.budget import counting_text
from ncp.report.page_parts import Cell, Grid, Plot, Section
from ncp.report.sections import network_drawing
from ncp.report.style import SCORE, with_unit
from ncp.report.tuning_facts import LEAST, TuningFacts, chance_tau
from ncp.report.tuning_figures import front_figure, progress_figure, tau_figure
from ncp.studies.trained_rows import SOURCE, TrainedRow

FEW = 20
"""With fewer labels, the sentence on the prior says that they are few."""
SWITCHED_OFF = 0.1
"""The weight of the prior below which the model is said not to use it."""
ALIKE = 0.05
"""Two values of Kendall's tau that are closer say that the prior makes little difference."""
FAILURES = 100
"""Most failures that are listed."""


def tuning_answer(found: TuningFacts) -> Section:
    """The best code so far, with its cost, its values and its drawing."""
    record = found.record
    told, pending = len(record.told), len(record.pending)
    failed = told - found.scored
    text = f"Codes with a result: {told}"
    text += f", of which {failed} failed" if failed else ""
    text += f"; asked for, without a result yet: {pending}." if pending else "."
    if not found.best:
        return Section("The answer", [text, _why_none(found)])
    best = found.best[0]
    cost = "" if best.macs is None else f", {_cost(best)} (exact)"
    values = [[Cell(_label(found, column)), Cell(_value(best, column))] for column in best.values]
    table = Grid(["column", SOURCE], values)
    drawing = network_drawing(best.code, found.counting)
    return Section("The answer", [f"{text} The best code{cost}:"], best.code, drawing, table)


def _why_none(found: TuningFacts) -> str:
    if not found.record.told:
        return "No training has ended yet, so there is no best code."
    if not found.scored:
        return "All trainings failed, so there is no best code."
    return "No code meets the budget and all minimum values."


def tuning_sections(found: TuningFacts) -> list[Section]:
    """Progress with the best codes, the front, what the known tasks said, and which dimensions went along."""
    return [_progress(found), *_fronts(found), _known_tasks(found), _effects(found)]


def _progress(found: TuningFacts) -> Section:
    texts = [_about_score(found), _next(found)]
    plots = []
    if found.scores is not None:
        plots = [Plot("tuning progress", "Best so far", progress_figure(found.scores), alone=True)]
    table = _best_table(found) if found.best else None
    if table:
        texts.append(f"Values are {SOURCE}: means over trainings, with the standard error if a code has several.")
    return Section("Search", [text for text in texts if text], table=table, plots=plots)


def _about_score(found: TuningFacts) -> str:
    """What the score is, and what it is compared to."""
    objective, scores = found.record.objective, found.scores
    least = ", ".join(f"{name} {bound:g}" for name, bound in objective.at_least.items())
    least = f" Minimum values: {least}." if least else ""
    if len(objective.weights) == 1:
        name = next(iter(objective.weights)) if scores is None else scores.score.label
        return f"The score of a code is {name}.{least}"
    names = list(objective.weights) if scores is None else [each.name for each in scores.main]
    weights = ", ".join(f"{name} {weight:g}" for name, weight in zip(names, objective.weights.values(), strict=True))
    text = "The score is the weighted mean of standard deviations from the mean over the codes of this study."
    return f"{text} Weights: {weights}.{least}"


def _next(found: TuningFacts) -> str:
    """The expected improvement of the next training."""
    if found.improvement is None or found.scores is None:
        return ""
    score = found.scores.score
    unit = "standard deviations" if score.name == SCORE else f"in units of {with_unit(score.name)}"
    best = f" The best score so far is {found.scores.so_far[-1]:.4g}." if isfinite(found.scores.so_far[-1]) else ""
    return f"The model expects the next training to improve on the best by {found.improvement:.3g} ({unit}).{best}"


def _best_table(found: TuningFacts) -> Grid:
    """The best codes: values, score, exact cost."""
    columns = () if found.scores is None else found.scores.columns
    costly, several = found.best[0].macs is not None, len(found.record.objective.weights) > 1
    heads = ["#", *(["score [std]"] if several else []), *(_label(found, column) for column in columns)]
    heads += [*(["GMACs", "M params"] if costly else []), "trainings", "code"]
    rows = []
    for number, row in enumerate(found.best, start=1):
        cells = [Cell(str(number)), *([Cell(f"{row.score:z.2f}")] if several else [])]
        cells += [Cell(_value(row, column)) for column in columns]
        cells += [Cell(gmacs_text(row.macs)), Cell(mparams_text(row.params or 0))] if row.macs else []
        rows.append([*cells, Cell(str(row.trainings)), Cell(row.code, copied=row.code, wide=True)])
    return Grid(heads, rows)


def _value(row: TrainedRow, column: str) -> str:
    value = row.values.get(column)
    if value is None:
        return "-"
    return f"{value.mean:.4g}" + (f" ±{value.std:.2g}" if value.std else "")


def _label(found: TuningFacts, column: str) -> str:
    return with_unit(column) + (" (lower is better)" if column in found.record.minimised else "")


def _cost(row: TrainedRow) -> str:
    return f"{gmacs_text(row.macs or 0)} GMACs and {mparams_text(row.params or 0)} M params"


def _fronts(found: TuningFacts) -> list[Section]:
    if not found.fronts:
        return []
    texts = [
        f"Trained values against exact cost, counted at {counting_text(found.counting)}. No trained code is both "
        "better and cheaper than one on the front. A point shows its code."
    ]
    if found.record.budget["max_latency_ms"] is not None:
        unchecked = " This page was made without the latency model, so it does not check this bound."
        bound = f"The budget also bounds the latency: at most {found.record.budget['max_latency_ms']:g} ms."
        texts.append(bound + (unchecked if found.unknown else ""))
    plots = [
        Plot(f"tuning cost {k}", each.quantity.label, front_figure(each), alone=len(found.fronts) == 1)
        for k, each in enumerate(found.fronts)
    ]
    return [Section("Search: values and cost", texts, plots=plots)]


def _known_tasks(found: TuningFacts) -> Section:
    """Whether the prior helps, and which known columns resemble the score."""
    evidence, title = found.evidence, "Search: what the known tasks said"
    if evidence is None:
        if not found.unknown:
            return Section(title, ["Too few codes have a score yet to fit the model."])
        return Section(title, [f"Not computed: {found.unknown}", "An open ncp.Study has all of this in its report()."])
    named = dict(sorted(evidence.resemblance.items(), key=lambda pair: -pair[1]))
    if not named:
        text = f"The study has no prior. Its model reaches Kendall's tau {evidence.tau:z.2f} {_between(found)}."
        return Section(title, [text])
    texts = [
        _verdict(found),
        "The bars compare the scores of these codes with what the prior predicts of known tasks: 1 is the same "
        "order, 0 no relation, -1 the reverse order. Minimised columns count as better when they are smaller.",
    ]
    plot = Plot(
        "tuning tasks", "Resemblance to known tasks", tau_figure(named, chance_tau(evidence.labels)), alone=True
    )
    return Section(title, texts, plots=[plot])


def _verdict(found: TuningFacts) -> str:
    """One sentence on whether the prior helps."""
    evidence = found.evidence
    if evidence is None:
        return ""
    if evidence.prior_weight < SWITCHED_OFF:
        verdict = "The model has given up the prior"
    elif abs(evidence.tau - evidence.tau_without_prior) < ALIKE:
        verdict = "The prior makes little difference"
    elif evidence.tau > evidence.tau_without_prior:
        verdict = "The prior helps"
    else:
        verdict = "The prior does not help"
    few = "; with so few codes this may still change" if evidence.labels < FEW else ""
    return (
        f"{verdict}: Kendall's tau is {evidence.tau:z.2f} with it and {evidence.tau_without_prior:z.2f} without it, "
        f"{_between(found)}{few}. Models that use the prior ({_prior_name(found.record.prior)}) have the weight "
        f"{evidence.prior_weight:.2f} of 1."
    )


def _between(found: TuningFacts) -> str:
    labels = 0 if found.evidence is None else found.evidence.labels
    return f"between scores and leave-one-out predictions of {counted(labels, 'code')} (failed ones count as the worst)"


def _prior_name(prior: Any) -> str:
    """The name of a prior, or what kind of object it is."""
    return prior if isinstance(prior, str) else str((prior or {}).get("path") or (prior or {}).get("kind", "none"))


def _effects(found: TuningFacts) -> Section:
    title = "Search: what went along with the score"
    if not found.effects:
        text = f"Too few codes have a score yet: at least {LEAST} are needed."
        return Section(title, [text if found.scored < LEAST else "No dimension goes along with the score."])
    taus = {each.name: each.tau for each in found.effects}
    chance = chance_tau(found.scored)
    texts = [
        f"Kendall's tau between each dimension of the code and the score over {found.scored} trained codes. Above "
        f"0, larger values go with better scores. The largest {len(taus)} of {found.dimensions} that vary are shown.",
        "This is a correlation, not a cause: the search chose these codes, and dimensions vary together. One in "
        f"20 dimensions without any effect is beyond ±{chance:.2f} by chance.",
    ]
    return Section(title, texts, plots=[Plot("tuning effects", "Dimensions", tau_figure(taus, chance), alone=True)])


def told_failures(found: TuningFacts) -> Section:
    """The failures of a study whose user trains."""
    failed = [each for each in found.record.tells if each.values is None]
    if not failed:
        return Section("Failures", ["No training failed."])
    cells = [
        [Cell(each.reason or "no reason was told", wide=True), Cell(each.at), _code_cell(each.code)]
        for each in failed[:FAILURES]
    ]
    texts = [f"Failed trainings: {len(failed)}. Study.retry() lets the codes be asked for again."]
    if len(failed) > FAILURES:
        texts.append(f"The first {FAILURES} are listed; search.json has all.")
    return Section("Failures", texts, table=Grid(["reason", "told at", "code"], cells))


def _code_cell(code: str) -> Cell:
    return Cell(code, copied=code, wide=True)


def tuning_provenance(found: TuningFacts) -> dict[str, Any]:
    """The settings of the search."""
    record = found.record
    return {
        "objective": dict(record.objective.weights),
        "minimum values": dict(record.objective.at_least),
        "minimised": list(record.minimised),
        "budget": _bounds(record.budget) or "none",
        "prior": _prior_name(record.prior),
        "seed of the proposals": record.seed,
        "dimensions": len(record.space),
        "codes asked for": len(record.asks),
        "trainings told": len(record.tells),
    }


def _bounds(budget: Mapping[str, Any]) -> list[str]:
    """The bounds of a budget in words."""
    units = (("max_macs", 1e9, "GMACs"), ("max_params", 1e6, "M params"), ("max_latency_ms", 1.0, "ms"))
    return [f"at most {budget[name] / unit:g} {what}" for name, unit, what in units if budget[name] is not None]
