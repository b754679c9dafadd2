"""What a perplexity is judged by: uniform, unigram and Kneser-Ney on the same tokens; needs numpy alone."""
