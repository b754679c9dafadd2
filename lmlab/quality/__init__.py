"""Quality of generated text, and leaks of validation text; needs only numpy."""
