"""Twelve pipelines more, written when all before them had been seen; run once, see docs/benchmarks.md."""
