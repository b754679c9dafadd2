"""Starts and resumes runs and sweeps from the command line."""
