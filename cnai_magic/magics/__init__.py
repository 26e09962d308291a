"""The magics: parse what was typed, call the session, show the result."""
