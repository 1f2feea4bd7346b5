"""Reads what a child process gives back: values of the contract, numpy arrays and plain Python, and nothing else."""

from __future__ import annotations

import importlib
import pickle
from dataclasses import is_dataclass
from enum import Enum


class ValueUnpickler(pickle.Unpickler):
    """Reads values of the contract, numpy arrays and plain Python; refuses everything else."""

    _packages = ("plugins", "reference_store", "service.analyse", "service.report")
    """Of these only frozen values: data classes and enumerations."""
    _names = frozenset(
        {
            ("builtins", "set"),
            ("builtins", "frozenset"),
            ("builtins", "bytearray"),
            ("builtins", "complex"),
            ("collections", "OrderedDict"),
            ("datetime", "datetime"),
            ("datetime", "timezone"),
            ("datetime", "timedelta"),
            ("pathlib", "PosixPath"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "scalar"),
            ("numpy._core.numeric", "_frombuffer"),
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy.core.multiarray", "scalar"),
            ("numpy.core.numeric", "_frombuffer"),
        }
    )

    def find_class(self, module: str, name: str) -> object:
        """Resolve a name only if it is on the list."""
        if (module, name) in self._names:
            return getattr(importlib.import_module(module), name)
        if any(module == package or module.startswith(package + ".") for package in self._packages):
            found = getattr(importlib.import_module(module), name, None)
            if isinstance(found, type) and (is_dataclass(found) or issubclass(found, Enum)):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is not a value of the contract")
