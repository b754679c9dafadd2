"""Baselines of perplexity: uniform, unigram and Kneser-Ney models on the same tokens; needs only numpy."""
