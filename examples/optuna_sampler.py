"""Use the searcher of `ncp` as a sampler of Optuna, with Optuna's storage and dashboard.

python examples/optuna_sampler.py      writes study.db; needs the extra search
"""

import optuna

import ncp
from ncp.integrations.optuna import PropagationSampler

optuna.logging.set_verbosity(optuna.logging.WARNING)
predictor = ncp.load_predictor("nas-bench-mr")
sampler = PropagationSampler(prior=None, budget=ncp.Budget(max_macs=2e9), seed=0)


def objective(trial: optuna.Trial) -> float:
    """Train the network of a code, and return its value. Here a predictor stands in for the training."""
    code = sampler.suggest(trial)
    prediction = predictor.predict(code)
    return float(prediction.mean[0, predictor.columns.index("seg/mIoU")])


study = optuna.create_study(
    direction="maximize", sampler=sampler, storage="sqlite:///study.db", study_name="seg", load_if_exists=True
)
study.optimize(objective, n_trials=8)
print(f"{sampler.code(study.best_params)}: {study.best_value:.2f} % mIoU after {len(study.trials)} trials")
