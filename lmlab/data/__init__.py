"""From a source of text to batches of ids; knows nothing of models and training."""
