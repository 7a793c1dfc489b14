"""Synthetic exposures with known truth, and the reference files that match them."""
