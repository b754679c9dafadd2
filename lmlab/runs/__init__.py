"""Reads and writes the folders of runs and sweeps; nobody else knows what lies in them. Needs no torch."""
