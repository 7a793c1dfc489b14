"""emicorr: remove the electromagnetic interference that runs along with the clock of the read-out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pydantic import PositiveFloat

from jwcal_miri._exposure import WHERE
from jwcal_miri.emi_reference import FAST, RESET_FRAME, SLOW, as_reference, delivered_case, measured_case
from jwcore.api import Params, SkipStep, Tree, UsageError, param, step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    from jwcal_miri.emi_reference import Case, Wave
    from jwcore.algorithms.emi import Clock, Phases
    from jwcore.api import Context, Meta, Ramp, Reference

    Found = tuple[np.ndarray, np.ndarray, np.ndarray]  # shape of a wave, and phase and factor in each integration
    Finder = Callable[[Wave, Phases], Found | None]

SLOW_SAMPLES = 9
MOST_BINS, FEWEST_BINS = 500, 4
FEWEST_GROUPS = {"joint": 3, "sequential": 4}


class EmiCorrParams(Params):
    """Parameters of emicorr."""

    skip: bool = param(True, "Do not run this step")
    algorithm: Literal["sequential", "joint"] = param(
        "joint", "Fit the reference waves to all ramps at once, or to waves measured by folding the data"
    )
    nints_to_phase: int | None = param(None, "Integrations from which waves are measured (sequential)", ge=1)
    nbins: int | None = param(None, "Bins of phase in a measured wave (sequential)", ge=FEWEST_BINS)
    scale_reference: bool = param(True, "Scale the reference wave to the measured one (sequential)")
    onthefly_corr_freq: tuple[PositiveFloat, ...] | None = param(
        None, "Measure waves of these frequencies without a reference (sequential)", unit="Hz"
    )
    use_n_cycles: int | None = param(3, "Periods that choose nints_to_phase; none: all integrations (sequential)", ge=1)
    fit_ints_separately: bool = param(False, "Fit every integration by itself (joint)")
    save_intermediate_results: bool = param(False, "Write the waves measured on the fly, as a reference file")
    user_supplied_reffile: str | None = param(None, "Refused: use --override emicorr=FILE")


def not_correctable(meta: Meta, params: EmiCorrParams, references: object) -> str | None:
    """Say why the interference cannot be removed.

    Raises
    ------
    UsageError
        For a parameter that has a better replacement.
    """
    if params.user_supplied_reffile:
        raise UsageError(
            "user_supplied_reffile is not used any more", where="emicorr", cure="use --override emicorr=FILE"
        )
    if meta.exposure.readpatt not in FAST + SLOW:
        return f"read pattern {meta.exposure.readpatt} is not one of {', '.join(FAST + SLOW)}"
    fewest = FEWEST_GROUPS[_algorithm(params)]
    if (meta.exposure.ngroups or fewest) < fewest:
        return f"integrations of {meta.exposure.ngroups} groups are too short, it takes {fewest}"
    return None


@step(
    stage="emicorr", where=WHERE, optional_references=("emicorr",), params=EmiCorrParams, applies=not_correctable,
    products={"emi_ref_waves": lambda p: p.save_intermediate_results and p.onthefly_corr_freq}, scratch=0.3,
)  # fmt: skip
def emicorr(exposure: Ramp, references: Mapping[str, Reference], params: EmiCorrParams, context: Context) -> Ramp:
    """Subtract one wave after the other, each found in data without those before it.

    The waves come from the reference, phase and amplitude from the exposure; or the waves themselves are measured.
    """
    from jwcore.algorithms import emi

    if reason := not_correctable(exposure.meta, params, references):
        raise SkipStep(reason)
    case = _case(exposure.meta, references.get("emicorr"), params)
    clock = _clock(exposure, case)
    find = _joint(exposure, clock, params) if _algorithm(params) == "joint" else _sequential(exposure, clock, params)
    measured = {}
    for wave in case.waves:
        phases = clock.phases(wave.frequency, ngroups=exposure.shape[1])
        found = find(wave, phases)
        if found is None:
            context.log.warning("%s: %s cannot be told from straight ramps and stays", context.label, wave.name)
            continue
        measured[wave.name], first, amplitudes = found
        starts = phases.starts(first, exposure.shape[1])
        emi.subtract_wave(exposure.data, phases.pixel, starts, amplitudes, emi.wave_spline(measured[wave.name]))
    context.count(waves=len(measured))
    if params.onthefly_corr_freq and params.save_intermediate_results:
        context.save("emi_ref_waves", Tree(as_reference(exposure.meta, case, measured)))
    return exposure


def _algorithm(params: EmiCorrParams) -> str:
    """Waves without a reference can only be measured by folding."""
    return "sequential" if params.onthefly_corr_freq else params.algorithm


def _case(meta: Meta, reference: Reference | None, params: EmiCorrParams) -> Case:
    if params.onthefly_corr_freq:
        return measured_case(meta, params.onthefly_corr_freq)
    if reference is None:
        raise SkipStep("no emicorr reference applies, and no frequencies are given in onthefly_corr_freq")
    return delivered_case(meta, reference)


def _clock(exposure: Ramp, case: Case) -> Clock:
    from jwcore.algorithms.emi import OUTPUTS, Clock

    meta, (ny, nx) = exposure.meta, exposure.shape[-2:]
    if nx % OUTPUTS:
        raise SkipStep(f"{nx} columns are not those of {OUTPUTS} interleaved outputs")
    readpatt = meta.exposure.readpatt
    return Clock(
        rowclocks=case.rowclocks,
        frameclocks=case.frameclocks,
        samples=meta.exposure.nsamples or (SLOW_SAMPLES if readpatt in SLOW else 1),
        reset_frame=readpatt in RESET_FRAME,
        shape=(ny, nx),
        first_column=(meta.subarray.xstart or 1) - 1,
    )


def _joint(exposure: Ramp, clock: Clock, params: EmiCorrParams) -> Finder:
    """Find a reference wave in all pixels of the background and all groups at once."""
    import numpy as np

    from jwcore.algorithms import emi, emi_joint

    disturbed = np.repeat(~clock.usable_steps(), emi.OUTPUTS)
    usable = emi_joint.usable_pixels(exposure.data, (exposure.pixeldq != 0) | disturbed)

    def find(wave: Wave, phases: Phases) -> Found | None:
        shape = wave.amplitudes
        assert shape is not None  # only waves of a reference come here
        sums = emi_joint.phase_sums(exposure.data, usable, pixel=phases.pixel, m=len(shape))
        fit = emi_joint.fit_wave(sums, phases, emi.wave_spline(shape), separately=params.fit_ints_separately)
        return (shape, fit.phases, fit.amplitudes) if fit.amplitudes.any() else None

    return find


def _sequential(exposure: Ramp, clock: Clock, params: EmiCorrParams) -> Finder:
    """Find a wave by folding the first integrations with its period; without a reference it is used as measured."""
    import numpy as np

    from jwcore.algorithms import emi, emi_sequential

    nints, ngroups = exposure.shape[:2]

    def find(wave: Wave, phases: Phases) -> Found | None:
        period = 1.0 / (wave.frequency * emi.TICK)
        used = params.nints_to_phase or nints
        if params.nints_to_phase is None and params.use_n_cycles is not None:
            used = math.ceil(params.use_n_cycles * period / (clock.frameclocks * ngroups))
        nbins = params.nbins or min(MOST_BINS, max(FEWEST_BINS, int(period / 2)))
        folded = emi_sequential.folded_wave(exposure.data[:used], phases, steps=clock.usable_steps(), nbins=nbins)
        if folded is None:
            return None
        shape, first, amplitude = folded, 0.0, 1.0
        if wave.amplitudes is not None:
            shape = wave.amplitudes
            first, amplitude = emi_sequential.match_reference(folded, emi.wave_spline(shape))
        if not params.scale_reference:
            amplitude = 1.0
        return shape, first + np.arange(nints) * phases.integration, np.full(nints, amplitude)

    return find
