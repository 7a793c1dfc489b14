"""Shared implementations of the stages of calwebb_detector1."""
