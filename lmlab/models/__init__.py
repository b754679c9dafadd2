"""Recurrent language models; independent of training."""
