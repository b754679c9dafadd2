"""Loaders, which produce batches for training and evaluation."""
