"""Formal languages with known probabilities: text whose lowest possible loss is an exact number."""
