"""Pages and metrics over the ledger."""
