"""Batches of the training split."""
