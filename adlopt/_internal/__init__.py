"""Array types, validation of input, parallel loops, progress and number formats."""
