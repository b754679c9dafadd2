"""What `python -m lmlab.benchmark` measures, a module for each part."""
