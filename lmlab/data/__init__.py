"""Reads text from a source and turns it into batches of ids; independent of models and training."""
