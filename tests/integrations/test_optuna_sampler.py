"""The sampler for Optuna: what it proposes, what it learns from, and several workers with one storage."""

import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module, reload
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

import ncp
from ncp import (
    MULTIRES,
    Budget,
    Categorical,
    CodeError,
    ConfigError,
    InfeasibleError,
    MissingExtraError,
    Ordinal,
    Space,
)
from ncp.integrations.optuna import CLAIM, PropagationSampler
from ncp.searchers.bayesian import Bayesian

SPACE = Space([Ordinal("width", range(8, 41, 8)), Categorical("op", ["skip", "conv"]), Ordinal("depth", [1, 2, 5])])
BEST = "24,conv,2"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.CRITICAL)
    yield
    optuna.logging.set_verbosity(before)


def quality(code: Any) -> float:
    """The best of all codes of `SPACE` is `BEST`, with 10."""
    width, op, depth = str(code).split(",")
    return 10 + (op == "conv") - 1 - abs(int(width) - 24) / 8 - abs(int(depth) - 2)


def study_of(sampler: PropagationSampler, **options: Any) -> optuna.Study:
    return optuna.create_study(sampler=sampler, **{"direction": "maximize", **options})


def optimised(trials: int, seed: int = 0, sign: int = 1, jobs: int = 1, **options: Any) -> optuna.Study:
    sampler = PropagationSampler(SPACE, seed=seed)
    study = study_of(sampler, **options)
    study.optimize(lambda trial: sign * quality(sampler.suggest(trial)), n_trials=trials, n_jobs=jobs)
    return study


def codes(study: optuna.Study) -> list[str]:
    sampler = PropagationSampler(SPACE)
    return [str(sampler.code(trial.params)) for trial in study.trials if trial.params]


def asked(study: optuna.Study, sampler: PropagationSampler) -> tuple[Trial, str]:
    trial = study.ask()
    return trial, str(sampler.suggest(trial))


def test_parameters_are_the_dimensions() -> None:
    sampler = PropagationSampler(SPACE)
    assert sampler.distributions == {
        "width": optuna.distributions.IntDistribution(8, 40, step=8),
        "op": optuna.distributions.CategoricalDistribution(["skip", "conv"]),
        "depth": optuna.distributions.CategoricalDistribution([1, 2, 5]),
    }
    params = {"width": 16, "op": "conv", "depth": 5}
    assert sampler.code(params) == "16,conv,5"
    assert sampler.params("16,conv,5") == sampler.params([16, 1, 5]) == params
    trial = optuna.trial.FixedTrial(params)
    assert sampler.suggest(trial) == "16,conv,5"


@pytest.mark.parametrize("prior", [None, pytest.param("default", marks=pytest.mark.slow)])
def test_proposals_in_multires_are_codes_within_the_budget(prior: str | None) -> None:
    budget = Budget(max_macs=6e7, image_size=64)
    sampler = PropagationSampler(prior=prior, budget=budget, seed=0)
    study = study_of(sampler)
    found = []
    for size in range(7 if prior else 3):
        trial = study.ask()
        code = sampler.suggest(trial)
        assert isinstance(code, ncp.Code)
        assert trial.params == dict(zip(MULTIRES.names, code.vector, strict=True))
        study.tell(trial, size)
        found.append(code)
    assert len(set(found)) == len(found)
    assert budget.allows(MULTIRES.codes(found)).all()


@pytest.mark.slow
def test_the_prior_of_multires_is_the_shipped_one() -> None:
    first = [
        asked(study_of(sampler), sampler)[1]
        for sampler in (
            PropagationSampler(seed=0),
            PropagationSampler(prior="nas-bench-mr", seed=0),
            PropagationSampler(prior=None, seed=0),
        )
    ]
    assert first[0] == first[1] != first[2]


def test_the_seed_decides() -> None:
    assert codes(optimised(9, seed=3)) == codes(optimised(9, seed=3))
    assert codes(optimised(9, seed=3)) != codes(optimised(9, seed=4))
    seeds = {PropagationSampler(SPACE).seed for _ in range(3)}
    assert len(seeds) == 3


@pytest.mark.parametrize(("direction", "sign"), [("maximize", 1), ("minimize", -1)])
def test_it_finds_the_best_code_in_either_direction(direction: str, sign: int) -> None:
    study = optimised(14, seed=1, sign=sign, direction=direction)
    assert study.best_value == sign * 10
    assert PropagationSampler(SPACE).code(study.best_params) == BEST


def test_minimising_is_maximising_the_negative() -> None:
    assert codes(optimised(9)) == codes(optimised(9, sign=-1, direction="minimize"))


def test_a_study_goes_on_as_if_it_had_not_been_interrupted() -> None:
    storage = optuna.storages.InMemoryStorage()
    optimised(5, storage=storage, study_name="one")
    resumed = optimised(4, storage=storage, study_name="one", load_if_exists=True)
    assert codes(resumed) == codes(optimised(9))


@pytest.mark.slow
def test_it_finds_better_codes_than_random_ones() -> None:
    dimensions = [Ordinal(f"level{k}", range(8)) for k in range(5)]
    space = Space([*dimensions, Categorical("op", ["skip", "conv", "pool"])])
    best: dict[str, list[float]] = {"ours": [], "random": []}
    for seed in range(8):
        target = space.sample(1, np.random.default_rng(100 + seed))[0]
        sampler = PropagationSampler(space, seed=seed)

        def distance(trial: Trial) -> float:
            code = space.code(sampler.suggest(trial))  # noqa: B023
            return float(np.square(code - target)[:5].sum() + 5 * (code[5] != target[5]))  # noqa: B023

        for name, each in (("ours", sampler), ("random", optuna.samplers.RandomSampler(seed=seed))):
            study = optuna.create_study(sampler=each)
            study.optimize(distance, n_trials=30)
            best[name].append(study.best_value)
    assert all(ours <= chance for ours, chance in zip(best["ours"], best["random"], strict=True)), best
    assert np.mean(best["ours"]) < 0.3 * np.mean(best["random"]), best


class Told:
    """What searchers were told and which codes were pending, in place of a search."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.scores: dict[str, list[float]] = {}
        self.pending: list[str] = []

        def tell(_: Bayesian, codes: Any, scores: Any) -> None:
            self.scores = {}
            for code, score in zip(codes, scores.tolist(), strict=True):
                self.scores.setdefault(SPACE.text(code), []).append(score)

        def ask(searcher: Bayesian, count: int, pending: Any) -> Any:
            self.pending = [SPACE.text(code) for code in pending]
            known = {*self.scores, *self.pending}
            return np.array([code for code in searcher.pool if SPACE.text(code) not in known][:count])

        monkeypatch.setattr(Bayesian, "tell", tell)
        monkeypatch.setattr(Bayesian, "ask", ask)


@pytest.mark.parametrize(("direction", "sign"), [("maximize", 1), ("minimize", -1)])
def test_what_the_searcher_is_told(direction: str, sign: int, monkeypatch: pytest.MonkeyPatch) -> None:
    told, sampler = Told(monkeypatch), PropagationSampler(SPACE)
    study = study_of(sampler, direction=direction)
    (done, first), (failed, second), (pruned, third), (infinite, fourth), (_, running) = (
        asked(study, sampler) for _ in range(5)
    )
    study.tell(done, 1.5)
    study.tell(failed, state=TrialState.FAIL)
    pruned.report(1.0, step=0)
    study.tell(pruned, state=TrialState.PRUNED)
    study.tell(infinite, float("inf"))
    study.add_trial(create_trial(params=sampler.params(first), distributions=sampler.distributions, value=2.5))
    study.tell(study.ask(), state=TrialState.FAIL)  # without a code
    sampler.suggest(study.ask())
    nan = [pytest.approx(float("nan"), nan_ok=True)]
    assert told.scores == {first: [sign * 1.5, sign * 2.5], second: nan, third: nan, fourth: nan}
    assert told.pending == [running]


def test_codes_that_the_user_chose_are_evaluated_and_not_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    told, sampler = Told(monkeypatch), PropagationSampler(SPACE)
    study = study_of(sampler)
    for code in ("8,skip,1", "8,skip,2", "8,skip,5"):
        study.enqueue_trial(sampler.params(code))
    study.ask({"width": sampler.distributions["width"]})  # two of its parameters are not suggested yet
    assert asked(study, sampler)[1] == "8,skip,2"
    study.ask()
    study.enqueue_trial(sampler.params("8,conv,1"))
    study.add_trial(create_trial(state=TrialState.RUNNING))
    assert sampler._proposed(study, study.trials[-1], 0) == "8,conv,2"
    assert told.pending == ["8,conv,1", "8,skip,1", "8,skip,2", "8,skip,5"]


def test_failed_trials_do_not_stop_a_study() -> None:
    sampler = PropagationSampler(SPACE, seed=0)
    study = study_of(sampler)

    def sometimes(trial: Trial) -> float:
        code = sampler.suggest(trial)
        if "skip" in str(code):
            raise OSError
        return quality(code)

    study.optimize(sometimes, n_trials=14, catch=OSError)
    assert {TrialState.FAIL, TrialState.COMPLETE} == {trial.state for trial in study.trials}
    assert len(set(codes(study))) == 14
    assert study.best_value == 10


def test_threads_share_a_storage_until_no_code_is_left() -> None:
    study = optimised(SPACE.size, jobs=3)
    assert len(codes(study)) == len(set(codes(study))) == SPACE.size
    with pytest.raises(InfeasibleError, match=r"^No code is left within the budget\. Codes of finished trials: 30;"):
        PropagationSampler(SPACE).suggest(study.ask())


PROGRAM = """
import sys
import optuna
from ncp import Categorical, Ordinal, Space
from ncp.integrations.optuna import PropagationSampler

space = Space([Ordinal("width", range(8, 41, 8)), Categorical("op", ["skip", "conv"]), Ordinal("depth", [1, 2, 5])])
sampler = PropagationSampler(space, seed=0)
study = optuna.load_study(study_name="one", storage=sys.argv[1], sampler=sampler)
study.optimize(lambda trial: len(sampler.suggest(trial)), n_trials=15)
"""


@pytest.mark.slow
def test_processes_share_a_database_until_no_code_is_left(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(storage=storage, study_name="one", direction="maximize")
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, storage]
    workers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]  # noqa: S603
    errors = [worker.communicate(timeout=300)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], errors
    assert len(set(codes(study))) == SPACE.size == len(study.trials)


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_that_choose_one_code_at_the_same_time(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    study = optimised(8)
    meet, first, found = Barrier(workers), [], {}
    propose = PropagationSampler._proposed

    def together(sampler: PropagationSampler, study: optuna.Study, trial: FrozenTrial, attempt: int) -> str:
        code = propose(sampler, study, trial, attempt)
        if attempt == 0:
            first.append(code)
            meet.wait(30)
        return code

    monkeypatch.setattr(PropagationSampler, "_proposed", together)
    monkeypatch.setattr("ncp.integrations.optuna.LONGEST_TURN", 0.0)  # nobody waits for a turn

    def work(number: int) -> None:
        sampler = PropagationSampler(SPACE, seed=0)
        with_own_sampler = optuna.load_study(study_name=study.study_name, storage=study._storage, sampler=sampler)
        found[number] = asked(with_own_sampler, sampler)[1]

    threads = [Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(first)) == 1
    assert first[0] in found.values()
    assert len({*found.values(), *codes(study)}) == 8 + workers


@pytest.mark.parametrize(("kept", "number"), [(True, 9), (True, 8), (False, 8)])
def test_a_code_of_another_trial_is_given_up_at_once(kept: bool, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ncp.integrations.optuna.PAUSE", None)  # to wait would be an error
    study, sampler = optimised(8), PropagationSampler(SPACE, seed=0)
    study.sampler = sampler
    trials = [study.ask(), study.ask()]
    other, own = (trials[number - 8], trials[9 - number])
    frozen = study.trials[own.number]
    code = sampler._proposed(study, frozen, 0)
    other.storage.set_trial_system_attr(other._trial_id, CLAIM, [code, kept, 0.0])
    assert not sampler._keeps(study, frozen, code, 1.0)
    assert sampler.suggest(own) != code


def test_a_claim_of_a_killed_worker_costs_patience_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ncp.integrations.optuna.PATIENCE", 0.1)
    study, sampler = optimised(8), PropagationSampler(SPACE, seed=0)
    study.sampler = sampler
    own, killed = study.ask(), study.ask()
    code = sampler._proposed(study, study.trials[own.number], 0)
    killed.storage.set_trial_system_attr(killed._trial_id, CLAIM, [code, False, 0.0])
    assert not sampler._keeps(study, study.trials[own.number], code, 1.0)
    assert sampler.suggest(own) != code


def test_a_trial_waits_for_those_that_began_earlier() -> None:
    study, sampler = optimised(8), PropagationSampler(SPACE, seed=0)
    study.sampler = sampler
    earlier, own = study.ask(), study.ask()
    code = sampler._proposed(study, study.trials[own.number], 0)
    earlier.storage.set_trial_system_attr(earlier._trial_id, CLAIM, [None, False, time.time()])
    found: list[str] = []
    thread = Thread(target=lambda: found.append(str(sampler.suggest(own))))
    thread.start()
    thread.join(0.5)
    assert thread.is_alive()
    earlier.storage.set_trial_system_attr(earlier._trial_id, CLAIM, [code, True, 0.0])
    thread.join(60)
    assert found
    assert found != [code]


@pytest.mark.parametrize("age", [-10.0, 100.0], ids=["began later", "was killed long ago"])
def test_a_trial_does_not_wait_for(age: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ncp.integrations.optuna.PAUSE", None)  # to wait would be an error
    study = optimised(8)
    other = study.ask()
    other.storage.set_trial_system_attr(other._trial_id, CLAIM, [None, False, time.time() - age])
    asked(study, PropagationSampler(SPACE, seed=0))
    assert len(set(codes(study))) == 9


def test_studies_that_it_cannot_serve() -> None:
    sampler = PropagationSampler(SPACE)
    several = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    with pytest.raises(ConfigError, match="needs a study with one objective"):
        sampler.suggest(several.ask())
    study = study_of(sampler)
    with pytest.raises(ConfigError, match=r"proposes only the dimensions of its space\. Got 'rate'"):
        study.ask().suggest_float("rate", 0, 1)
    study.enqueue_trial({"width": 8})
    with pytest.raises(ConfigError, match="Fix all dimensions or none"):
        sampler.suggest(study.ask())
    other = {"width": optuna.distributions.IntDistribution(0, 5)}
    study.add_trial(create_trial(params={"width": 3}, distributions=other, value=1.0))
    with pytest.raises(ConfigError, match=r"^Trial 2 of the study has the parameter 'width' with IntDistribution"):
        sampler.suggest(study.ask())
    empty = study_of(sampler)
    empty.add_trial(create_trial(value=1.0))
    with pytest.raises(ConfigError, match="has a value and no code of the sampler's space"):
        sampler.suggest(empty.ask())


def test_wrong_arguments() -> None:
    with pytest.raises(ConfigError, match="seed must be an integer"):
        PropagationSampler(SPACE, seed=-1)
    with pytest.raises(InfeasibleError):
        PropagationSampler(prior=None, budget=Budget(max_macs=1.0))
    with pytest.raises(ConfigError):
        PropagationSampler(SPACE, budget=Budget(max_macs=1e9))
    with pytest.raises(ConfigError, match="another search space"):
        PropagationSampler(SPACE, prior="nas-bench-mr")
    sampler = PropagationSampler(SPACE)
    with pytest.raises(ConfigError, match=r"^params must have a value for every dimension\. op is missing\.$"):
        sampler.code({"width": 8, "depth": 1})
    with pytest.raises(CodeError):
        sampler.code({"width": 9, "op": "skip", "depth": 1})
    with pytest.raises(CodeError):
        sampler.params("8,skip")


def test_it_needs_optuna(monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("ncp.integrations.optuna")
    assert ncp.integrations.optuna is module
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"^PropagationSampler needs optuna\. Install the extra: pip install"):
        reload(module)
