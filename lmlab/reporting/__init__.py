"""Reads the folders of runs and sweeps and writes reports on them."""
