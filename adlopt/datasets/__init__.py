"""Embedded examples and synthetic books."""
