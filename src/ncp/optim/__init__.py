"""Objectives, budgets, and the propagation and searches that find codes."""
