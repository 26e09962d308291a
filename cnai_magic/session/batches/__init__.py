"""Many questions at a time: the rows of a table, or one question asked in several ways."""
