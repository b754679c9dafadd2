"""Callbacks of training: samples, checkpoints, progress, alarms and recorded numbers."""
