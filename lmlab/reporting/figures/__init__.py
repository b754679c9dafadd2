"""The figures of a report: each is a function from plain data to a figure with its description."""
