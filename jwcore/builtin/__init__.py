"""The shared steps, registered through the same entry point and hooks that a third party uses."""

from jwcore.builtin.detector1.dark_current import dark_current
from jwcore.builtin.detector1.dq_init import dq_init
from jwcore.builtin.detector1.group_scale import group_scale
from jwcore.builtin.detector1.ipc import ipc
from jwcore.builtin.detector1.linearity import linearity
from jwcore.builtin.detector1.refpix import refpix
from jwcore.builtin.detector1.saturation import saturation
from jwcore.builtin.detector1.superbias import superbias

JWCAL_API = "1.0"
STEPS = (group_scale, dq_init, saturation, ipc, superbias, refpix, linearity, dark_current)
