"""Run one search, print its seed and what it found, and exit with 1 where that is anything."""

from __future__ import annotations

import argparse
import random
import sys
from importlib import import_module

# Each is a module of this folder with a `search(count, seed)`.
_SEARCHES = ("histories", "markdown", "notebook")


def main() -> int:
    """Run the search that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("name", choices=sorted(_SEARCHES))
    parser.add_argument("--count", type=int, default=1000, help="how many inputs to try")
    parser.add_argument("--seed", type=int, help="repeats a run; without it, a random one")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(10**9) if options.seed is None else options.seed
    print(f"{options.name}: {options.count} inputs, seed {seed}", flush=True)
    search = import_module(f"{__package__}.{options.name}").search
    found = 0
    for fault in search(options.count, seed):
        found += 1
        print(fault, flush=True)
    print(f"{options.name}: {found} faults in {options.count} inputs, seed {seed}")
    return 1 if found else 0


sys.exit(main())
