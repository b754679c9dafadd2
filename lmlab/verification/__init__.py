"""A run's files and figures against each other and against `lmlab.reference`."""
