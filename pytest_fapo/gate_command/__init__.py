"""`--fapo-gate` and `--fapo-update-baseline`, from before the first test to the exit code."""

from pytest_fapo.gate_command.command import FELL, UNDECIDED, finish_gate, prepare_gate

__all__ = ["FELL", "UNDECIDED", "finish_gate", "prepare_gate"]
