"""Measurements against DESIGN §13's budgets: reproducible, each with its baseline in the same run."""
