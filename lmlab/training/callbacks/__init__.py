"""What happens around training: samples, checkpoints, progress, alarms, files."""
