"""Runs and sweeps from the command line: begun, gone on with, left as they are."""
