"""The door of plain Python: sessions that ask questions, without a notebook."""
