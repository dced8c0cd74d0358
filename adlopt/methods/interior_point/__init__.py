"""The interior-point form of the shadow-price method."""
