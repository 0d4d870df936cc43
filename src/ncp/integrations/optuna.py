"""The Bayesian searcher as a sampler of Optuna, for its storages, parallel workers and dashboard.

Samplers that work at the same time, in threads, processes or on several machines, share only the storage of the study.
A sampler writes its proposal there as a claim, then reads all other trials, and keeps the code if none of them has it.
If two trials claim one code at the same time, that of the higher number gives way. This needs no lock: whoever claims
last sees both claims. Before it proposes, a sampler waits for those that began earlier, only to take their codes into
account.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ncp.errors import ConfigError, InfeasibleError, quoted
from ncp.extras import require_extra
from ncp.numbers import LARGEST_SEED, as_seed
from ncp.optim.budget import Budget, as_budget
from ncp.optim.feasible import Feasible
from ncp.searchers.bayesian import Bayesian
from ncp.searchers.prior import as_prior
from ncp.spaces.arrays import Codes, CodesLike
from ncp.spaces.dimensions import Categorical, Dimension
from ncp.spaces.multires import MULTIRES, Code
from ncp.spaces.space import Space, require_space
from ncp.studies.prior_identity import DEFAULT, default_prior, is_default

require_extra("search", "PropagationSampler")  # it derives from a class of Optuna, so this file needs it at once

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution  # noqa: E402
from optuna.samplers import BaseSampler  # noqa: E402
from optuna.study import Study, StudyDirection  # noqa: E402
from optuna.trial import BaseTrial, FrozenTrial, TrialState  # noqa: E402

CLAIM = "ncp:claim"
"""The system attribute of a trial with its `Claim`."""
PATIENCE, PAUSE = 10.0, 0.02
"""How long to wait for another trial to decide about its claim, and between two looks at it [s]."""
LONGEST_TURN = 60.0
"""A trial that began to propose longer ago than this is not waited for: it was probably killed [s]."""


class Claim(NamedTuple):
    """What a trial has written about its code; a trial that has written nothing got its code elsewhere, for good.

    Attributes:
        code: the text of its code; None while it has none.
        kept: whether the trial will not give it up.
        began: when it began to propose [s since the epoch].
    """

    code: str | None = None
    kept: bool = True
    began: float = 0.0

    @classmethod
    def of(cls, trial: FrozenTrial) -> Claim:
        """The claim of a trial."""
        return cls(*trial.system_attrs.get(CLAIM, ()))

    def write(self, study: Study, trial: FrozenTrial) -> None:
        """Write the claim to the storage, where all samplers see it."""
        study._storage.set_trial_system_attr(trial._trial_id, CLAIM, list(self))


class PropagationSampler(BaseSampler):
    """Proposes the codes of highest expected improvement, as `ncp.Study` does, in studies of Optuna.

    Each dimension of the space is a parameter of its name. An evenly spaced ordinal dimension is an integer
    parameter with its step; an unevenly spaced one is a categorical parameter of its values; a categorical one has its
    choices. All of them are proposed together, so let `suggest` make them.

    Completed trials are labels, in either direction of the study. A trial that failed or was pruned counts as the worst
    value. The model assumes its expected value for each running or waiting trial, and proposes its code to no other
    trial. The next proposal depends on the seed, on the number of the trial and on the other trials only, so
    any number of threads and processes may share a study.

    >>> import optuna
    >>> from ncp import Categorical, Ordinal, Space
    >>> space = Space([Ordinal("width", range(8, 65, 8)), Categorical("op", ["skip", "conv"])])
    >>> sampler = PropagationSampler(space, seed=0)
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna.create_study(direction="maximize", sampler=sampler)
    >>> def accuracy(trial):
    ...     width, op = sampler.suggest(trial).split(",")  # in MULTIRES it is an `ncp.Code`
    ...     return 70 + 2 * (op == "conv") - abs(int(width) - 40) / 8
    >>> study.optimize(accuracy, n_trials=12)
    >>> sampler.code(study.best_params), study.best_value
    ('40,conv', 72.0)

    Args:
        space: the space of the codes.
        prior: values of other tasks: `nas-bench-mr`, a `Predictor`, a `Table`, the path of one, or None. The
            default is `nas-bench-mr` for codes of `MULTIRES`, and None for other spaces.
        budget: bounds on the cost of the proposed codes.
        seed: of everything random; a random one when left out, as in Optuna's samplers.

    Raises:
        ConfigError: an invalid argument, or a budget for a space without exact cost.
        InfeasibleError: no code meets the budget.
    """

    def __init__(
        self, space: Space = MULTIRES, *, prior: Any = DEFAULT, budget: Budget | None = None, seed: int | None = None
    ) -> None:
        require_space(space)
        self.space, self.budget = space, as_budget(budget)
        self.seed = int(np.random.default_rng().integers(LARGEST_SEED)) if seed is None else as_seed(seed)
        Feasible.of(space, self.budget).require(np.array([[dim.values[0] for dim in space.dimensions]]))
        self.distributions = {dim.name: _distribution(dim) for dim in space.dimensions}
        self._prior = as_prior(default_prior(space) if is_default(prior) else prior, space)

    def suggest(self, trial: BaseTrial) -> Code | str:
        """The code of a trial, whose parameters are suggested at once.

        Returns:
            a `Code` in `MULTIRES`, a text in other spaces.

        Raises:
            ConfigError: the study has several objectives, or trials of another search space; the parameters of the
                trial are fixed in part.
            InfeasibleError: no code is left.
        """
        params: dict[str, Any] = {}
        for name, each in self.distributions.items():
            if isinstance(each, IntDistribution):
                params[name] = trial.suggest_int(name, each.low, each.high, step=each.step)
            else:
                params[name] = trial.suggest_categorical(name, each.choices)
        return self.code(params)

    def code(self, params: Mapping[str, Any]) -> Code | str:
        """The code of parameters, such as `study.best_params`: a `Code` in `MULTIRES`, a text in other spaces.

        Raises:
            ConfigError: a parameter is missing.
            CodeError: a value that its dimension does not have.
        """
        missing = [name for name in self.space.names if name not in params]
        if missing:
            raise ConfigError(
                "{field} must have a value for every dimension. {missing} is missing.",
                field="params",
                missing=missing[0],
            )
        code = self.space.code([_number(dim, params[dim.name]) for dim in self.space.dimensions])
        return Code(code.tolist()) if self.space == MULTIRES else self.space.text(code)

    def params(self, code: CodesLike) -> dict[str, Any]:
        """The parameters of a code, for `study.enqueue_trial` and `optuna.trial.create_trial`.

        Raises:
            CodeError: anything but one code of the space.
        """
        numbers = self.space.code(code).tolist()
        return {dim.name: _value(dim, number) for dim, number in zip(self.space.dimensions, numbers, strict=True)}

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All dimensions of the space."""
        return dict(self.distributions)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The parameters of the next code, which no other trial has.

        Raises:
            ConfigError: several objectives, trials of another search space, or dimensions that are fixed.
            InfeasibleError: no code is left.
        """
        if len(study.directions) > 1:
            raise ConfigError("PropagationSampler needs a study with one objective. Combine the values in one number.")
        fixed = trial.system_attrs.get("fixed_params", {})
        if all(name in fixed for name in self.distributions):
            return {}
        if search_space != self.distributions or any(name in self.distributions for name in fixed):
            raise ConfigError(
                "PropagationSampler proposes all dimensions together, and some of them are fixed. "
                "Fix all dimensions or none."
            )
        began = time.time()
        _wait_for_turn(study, trial, began)
        attempt, code = 0, self._proposed(study, trial, 0)
        while not self._keeps(study, trial, code, began):
            attempt += 1
            code = self._proposed(study, trial, attempt)
        return self.params(code)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Refuse a parameter that is not a dimension of the space.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            f"PropagationSampler proposes only the dimensions of its space. Got {quoted(param_name)} with "
            f"{quoted(param_distribution)}. Use suggest of the sampler, and set other parameters yourself."
        )

    def _proposed(self, study: Study, trial: FrozenTrial, attempt: int) -> str:
        """The text of a code that no other trial has, as far as the storage knows."""
        sign = -1.0 if study.direction == StudyDirection.MINIMIZE else 1.0
        told: list[tuple[str, float]] = []
        pending = set()
        for other in _others(study, trial):
            code = self._code_of(other)
            if code is None:
                continue
            if other.state.is_finished():
                told.append((code, sign * _result(other)))
            else:
                pending.add(code)
        rng = np.random.default_rng([self.seed, trial.number, attempt])
        searcher = Bayesian(self.space, rng, prior=self._prior, budget=self.budget)
        if told:
            searcher.tell(self._codes([code for code, _ in told]), np.array([score for _, score in told]))
        known = {code for code, _ in told}
        proposal = self.space.text(searcher.ask(1, self._codes(sorted(pending - known)))[0])
        if proposal in known | pending:
            raise InfeasibleError(
                f"No code is left within the budget. Codes of finished trials: {len(known)}; of trials that run or "
                f"wait: {len(pending - known)}."
            )
        return proposal

    def _keeps(self, study: Study, trial: FrozenTrial, code: str, began: float) -> bool:
        """Claim a code for a trial; whether the trial keeps it, because no other one has it."""
        Claim(code, False, began).write(study, trial)
        latest = time.monotonic() + PATIENCE
        while rivals := [other for other in _others(study, trial) if self._code_of(other) == code]:
            gives_way = any(other.number < trial.number or Claim.of(other).kept for other in rivals)
            if gives_way or time.monotonic() > latest:  # a rival that decides nothing was killed: leave it the code
                Claim(None, False, began).write(study, trial)
                return False
            time.sleep(PAUSE)
        Claim(code, True, began).write(study, trial)
        return True

    def _code_of(self, trial: FrozenTrial) -> str | None:
        """The text of the code that a trial evaluates or has evaluated; None if it has no code.

        Raises:
            ConfigError: a trial of another search space.
        """
        for name, distribution in trial.distributions.items():
            if self.distributions.get(name) != distribution:
                raise ConfigError(
                    f"Trial {trial.number} of the study has the parameter {quoted(name)} with {quoted(distribution)}, "
                    "which is not a dimension of the sampler's space. Use one study for one space."
                )
        finished = trial.state.is_finished()
        params = trial.params if finished else {**trial.system_attrs.get("fixed_params", {}), **trial.params}
        if all(name in params for name in self.distributions):
            numbers = [_number(dim, params[dim.name]) for dim in self.space.dimensions]
            if self.space.contains(numbers)[0]:
                return self.space.text(numbers)
        if trial.state == TrialState.COMPLETE:
            raise ConfigError(
                f"Trial {trial.number} of the study has a value and no code of the sampler's space. "
                "Call suggest of the sampler in every trial."
            )
        return None if finished else Claim.of(trial).code

    def _codes(self, texts: Sequence[str]) -> Codes:
        return self.space.codes(texts) if texts else np.empty((0, len(self.space)), dtype=np.int64)


def _others(study: Study, trial: FrozenTrial) -> list[FrozenTrial]:
    return [other for other in study.get_trials(deepcopy=False) if other.number != trial.number]


def _wait_for_turn(study: Study, trial: FrozenTrial, began: float) -> None:
    """Wait until the trials that began to propose earlier have their codes."""
    Claim(None, False, began).write(study, trial)

    def is_ahead(other: FrozenTrial) -> bool:
        claim = Claim.of(other)
        proposes = other.state == TrialState.RUNNING and not claim.kept
        earlier = (claim.began, other.number) < (began, trial.number)
        return proposes and earlier and time.time() - claim.began < LONGEST_TURN

    while any(map(is_ahead, _others(study, trial))):
        time.sleep(PAUSE)


def _result(trial: FrozenTrial) -> float:
    """The value of a trial; NaN if it has none, or one that is not finite."""
    if trial.state != TrialState.COMPLETE or trial.value is None:
        return math.nan
    return trial.value if math.isfinite(trial.value) else math.nan


def _distribution(dim: Dimension) -> IntDistribution | CategoricalDistribution:
    if isinstance(dim, Categorical):
        return CategoricalDistribution(dim.choices)
    step = dim.values[1] - dim.values[0]
    if dim.values == tuple(range(dim.values[0], dim.values[-1] + 1, step)):
        return IntDistribution(dim.values[0], dim.values[-1], step=step)
    return CategoricalDistribution(dim.values)


def _value(dim: Dimension, number: int) -> str | int:
    """The value of the parameter for an integer of a code."""
    return dim.choices[number] if isinstance(dim, Categorical) else number


def _number(dim: Dimension, value: Any) -> Any:
    """The integer of a code for the value of a parameter; another value stays as it is."""
    return dim.choices.index(value) if isinstance(dim, Categorical) and value in dim.choices else value
