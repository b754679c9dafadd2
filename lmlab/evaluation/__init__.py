"""What is measured, how, and against what: the protocol, figures, baselines, quality of samples."""
