"""The durable record of what all notebooks spend; the only room of the notebook side that knows SQLite."""

from .ledger import Ledger, default_path

__all__ = ["Ledger", "default_path"]
