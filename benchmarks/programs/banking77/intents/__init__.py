"""Says what a bank's customer wants."""
