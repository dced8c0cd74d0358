"""Which pool-scenario pairs can cost anything, and which of them need a hinge."""
