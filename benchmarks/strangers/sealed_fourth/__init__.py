"""Twelve pipelines more, written when the three sealed sets had been seen; see docs/benchmarks.md."""
