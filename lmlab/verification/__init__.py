"""Compares a run's files and figures with each other and with `lmlab.reference`."""
