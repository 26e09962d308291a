"""The record of what all notebooks spend, durable and one for all kernels."""

from .journal import Journal
from .ledger import Ledger, default_path

__all__ = ["Journal", "Ledger", "default_path"]
