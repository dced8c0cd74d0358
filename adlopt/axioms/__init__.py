"""Axioms of rules, books that try them, and the smallest counterexample where one fails."""

from adlopt.axioms.report import Audit, Counterexample, Step
from adlopt.axioms.search import audit

__all__ = ["Audit", "Counterexample", "Step", "audit"]
