"""What can be asked around one problem: sweeps, comparisons, exposures, rounding, optimal sets."""
