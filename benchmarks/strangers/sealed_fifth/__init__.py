"""Twelve pipelines more, written without reading rules or playbook; see docs/benchmarks.md."""
