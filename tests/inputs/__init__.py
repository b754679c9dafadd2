"""Generated mistakes: command lines and files, wrong in one place each, made from the typed settings."""
