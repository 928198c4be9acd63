"""`fapo init`: from a project to settings, a fixture, a first case file and a test that runs."""

from __future__ import annotations

from pytest_fapo.cli.init.command import init

__all__ = ["init"]
