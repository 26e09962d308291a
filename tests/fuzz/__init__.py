"""Random searches for faults: `python -m tests.fuzz NAME --count N --seed S`."""
