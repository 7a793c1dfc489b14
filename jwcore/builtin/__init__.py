"""The shared steps, registered through the same entry point and hooks that a third party uses."""

from jwcore.builtin.detector1.charge_migration import charge_migration
from jwcore.builtin.detector1.clean_flicker_noise import clean_flicker_noise
from jwcore.builtin.detector1.dark_current import dark_current
from jwcore.builtin.detector1.dq_init import dq_init
from jwcore.builtin.detector1.gain_scale import gain_scale
from jwcore.builtin.detector1.group_scale import group_scale
from jwcore.builtin.detector1.ipc import ipc
from jwcore.builtin.detector1.jump import jump
from jwcore.builtin.detector1.linearity import linearity
from jwcore.builtin.detector1.persistence import persistence
from jwcore.builtin.detector1.picture_frame import picture_frame
from jwcore.builtin.detector1.ramp_fit import ramp_fit
from jwcore.builtin.detector1.refpix import refpix
from jwcore.builtin.detector1.saturation import saturation
from jwcore.builtin.detector1.superbias import superbias
from jwcore.builtin.image2.assign_wcs import assign_wcs
from jwcore.builtin.image2.bkg_subtract import bkg_subtract
from jwcore.builtin.image2.flat_field import flat_field
from jwcore.builtin.image2.photom import photom
from jwcore.builtin.image3.assign_mtwcs import assign_mtwcs
from jwcore.builtin.image3.outlier_detection import outlier_detection
from jwcore.builtin.image3.resample import resample
from jwcore.builtin.image3.skymatch import skymatch
from jwcore.builtin.image3.source_catalog import source_catalog
from jwcore.builtin.image3.tweakreg import tweakreg
from jwcore.builtin.image3.undersampled import undersampled

JWCAL_API = "1.0"
STEPS = (
    *(group_scale, dq_init, saturation, ipc, superbias, refpix, linearity, dark_current),
    *(charge_migration, jump, picture_frame, clean_flicker_noise, persistence, ramp_fit, gain_scale),
    *(bkg_subtract, assign_wcs, flat_field, photom),
    *(assign_mtwcs, tweakreg, skymatch, outlier_detection, undersampled, resample, source_catalog),
)  # fmt: skip
