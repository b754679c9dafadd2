"""Tokenizers, which convert text to ids and back."""
