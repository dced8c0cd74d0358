"""Proven bounds on how far an allocation is from optimal."""
