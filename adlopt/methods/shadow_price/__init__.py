"""Shadow prices: pools answer prices with vertices, a small master program mixes the answers.

Derivation with numbered equations: docs/theory/shadow_prices.md.
"""
