"""Figures of a report: each a function from plain data to a picture with its description."""
