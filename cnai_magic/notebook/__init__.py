"""Notebook files: what an output keeps, and how conversations are restored, exported and imported."""
