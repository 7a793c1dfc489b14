"""Shared implementations of the stages of calwebb_image3."""
