"""Recurrent language models; knows nothing of training."""
