"""Checks of chapter 4, Qubits and circuits."""
