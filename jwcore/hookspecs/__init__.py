"""The contract: one documented function per calibration stage, and the framework's own hooks.

The functions have no body beyond their documentation. Their arguments are what an implementation may ask for; their
docstrings say what it receives, what it must do and what it returns.
"""

MODULES = ("detector1", "guider", "image2", "image3")
"""Modules of this package that declare stages, in processing order."""
