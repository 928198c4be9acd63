"""A provider on 127.0.0.1 and a capture around the test."""

from support.llm_lab import lab, server

__all__ = ["lab", "server"]
