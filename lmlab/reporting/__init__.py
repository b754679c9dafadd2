"""Compares runs and writes reports on them."""
