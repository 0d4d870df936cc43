"""Predictors: values of codes, learned from a table."""

from ncp.predictors.base import Prediction, Predictor
from ncp.predictors.kinds import KINDS, fit_predictor
from ncp.predictors.store import FORMAT, SHIPPED, load_judge, load_predictor, save

__all__ = [
    "FORMAT",
    "KINDS",
    "SHIPPED",
    "Prediction",
    "Predictor",
    "fit_predictor",
    "load_judge",
    "load_predictor",
    "save",
]
