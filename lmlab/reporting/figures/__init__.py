"""Figures of a report: each a function from plain data to a figure with its description."""
