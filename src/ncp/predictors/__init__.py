"""Predictors: values of codes, learned from a table."""
