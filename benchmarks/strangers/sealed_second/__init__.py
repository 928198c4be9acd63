"""Twelve more that were sealed: written after the first sealed twelve had been seen, and run once."""
