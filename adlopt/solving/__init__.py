"""Solve a problem, describe its solution and verify it."""
