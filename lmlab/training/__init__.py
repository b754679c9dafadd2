"""Training with Lightning: the task, its metrics, its callbacks."""
