"""Parity with the official pipeline: the same input and references through both, compared step by step."""
