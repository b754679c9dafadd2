"""The rules that tell whether a run's or a comparison's numbers can be trusted, each once, as data."""
