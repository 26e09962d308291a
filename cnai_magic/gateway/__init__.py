"""A small server of the same API: embedded in the kernel, or stand-alone."""
