"""What is spent: prices, charges, budgets, and the ledger that all kernels share."""
