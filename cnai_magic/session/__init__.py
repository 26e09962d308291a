"""One question, from its prompt to its reply."""
