"""Claims about speed and size, each measured against its alternative in one run: python -m
benchmarks.
"""
