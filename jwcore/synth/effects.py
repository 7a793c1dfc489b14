"""One switch per detector effect, and its strength."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

__all__ = ["Effects"]


@dataclass(frozen=True, kw_only=True)
class Effects:
    """Which effects the forward model applies, and how strong they are.

    The matching references follow the switches: without `flat` the flat reference is unity, without `bias` the bias
    is a constant, and so on, so that each effect can be tested alone.
    """

    bias: bool = True
    """Pixel-to-pixel structure of the bias (off: a constant)."""
    ktc: bool = True
    """Reset noise: an offset per pixel and integration."""
    dark: bool = True
    """Dark current with glow and hot pixels."""
    flat: bool = True
    """Pixel-to-pixel response."""
    bad_pixels: bool = True
    """Dead and low-response pixels."""
    ipc: bool = True
    """Inter-pixel capacitance."""
    nonlinearity: bool = True
    """Falling response with charge."""
    saturation: bool = True
    """Full well (the converter limit of 65535 always holds)."""
    read_noise: bool = True
    """White noise of every read."""
    one_over_f: bool = True
    """Correlated noise along the readout (banding)."""
    drifts: bool = True
    """Offsets of amplifiers and of their odd and even columns, new in every group."""
    reference_pixels: bool = True
    """Border of pixels without light."""
    cosmic_rays: bool = True
    """Ion tracks."""
    snowballs: bool = False
    """Large round events with a saturated core."""
    showers: bool = False
    """Wide faint events (mid-infrared)."""
    poisson: bool = True
    """Photon and dark-current noise."""
    persistence: bool = False
    """Slow release of the charge that saturated pixels of earlier exposures left in traps."""
    charge_migration: bool = False
    """Charge that spills from a pixel with much signal into its four neighbours."""
    dark_settling: bool = False
    """Dark current that is higher at the start of the first integration."""
    reset_decay: bool = False
    """Offset that fades after a reset, stronger after the first one."""
    switch_decay: bool = False
    """Charge of the integration before that fades in the first groups of the next one (RSCD)."""
    first_frame: bool = False
    """Offset of the first group."""
    last_frame: bool = False
    """Signal that the last group loses to the reset that follows."""
    interference: bool = False
    """Electromagnetic interference: waves that are steady in time (EMI)."""
    picture_frame: bool = False
    """Thermal pattern of centre and edge whose strength varies from group to group."""

    ktc_noise: float = 18.0
    """DN rms."""
    ipc_coupling: float = 0.005
    """Part of the signal seen by each of the four neighbours (diagonal ones: 6 % of that)."""
    one_over_f_rms: float = 1.2
    """DN rms over a frame, common to all amplifiers."""
    amplifier_rms: float = 0.5
    """DN rms over a frame, independent per amplifier."""
    drift_rms: float = 5.0
    """DN rms of amplifier offsets from group to group; odd-even offsets have half of it."""
    cosmic_ray_rate: float = 5.0
    """Events per cm^2 and second."""
    snowball_rate: float = 0.002
    """Events per cm^2 and second."""
    shower_rate: float = 0.005
    """Events per cm^2 and second."""
    interference_amplitude: float = 3.0
    """DN, of each wave."""
    migration_threshold: float = 25000.0
    """DN above the bias beyond which charge spills."""
    migrating_fraction: float = 0.08
    """Part of the charge beyond the threshold that spills."""

    @classmethod
    def none(cls, **switches: bool | float) -> "Effects":
        """Switch everything off, except what is given."""
        off = {field.name: False for field in fields(cls) if field.type in (bool, "bool")}
        return replace(cls(**off), **switches)  # type: ignore[arg-type]

    def switched(self, *, on: Sequence[str] = (), off: Sequence[str] = ()) -> "Effects":
        """Switch effects on and off.

        Raises
        ------
        ValueError
            For a name that is none; the message lists all.
        """
        known = sorted(field.name for field in fields(self) if isinstance(getattr(self, field.name), bool))
        for name in (*on, *off):
            if name not in known:
                raise ValueError(f"no effect '{name}'; there are {', '.join(known)}")
        return replace(self, **dict.fromkeys(on, True), **dict.fromkeys(off, False))

    @classmethod
    def only(cls, *names: str) -> "Effects":
        """Switch on the named effects and no others."""
        return cls.none(**dict.fromkeys(names, True))
