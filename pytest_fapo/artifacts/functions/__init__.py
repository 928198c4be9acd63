"""Functions of Python files: found with their decorators, replaced and added, imports included."""

from pytest_fapo.artifacts.functions.change import add_function, replace_function
from pytest_fapo.artifacts.functions.find import Function, functions_of

__all__ = ["Function", "add_function", "functions_of", "replace_function"]
