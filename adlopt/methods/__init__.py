"""Algorithms: each solves a Problem or says why it cannot."""
