"""How good generated text is, and whether validation text leaked; needs numpy alone."""
