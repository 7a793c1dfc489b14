"""One case through both pipelines: which products meet which."""

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from jwcore import models
from jwcore.errors import JwcalError
from jwcore.synth import Simulation
from tests.parity import cases, detections, deviations, imaging, ours, peer
from tests.parity.cards import compare_headers
from tests.parity.compare import ALLOWED_FLAGS, Comparison, compare, read_arrays
from tests.parity.predictions import Scene
from tests.parity.report import Row

log = logging.getLogger("parity")


@dataclass
class Harness:
    """Compares one case.

    Parameters
    ----------
    case : Case
        What to simulate and run.
    work : pathlib.Path
        Scratch folder for our products.
    declared : list of Deviation
        Expected differences.
    """

    case: cases.Case
    work: Path
    declared: list[deviations.Deviation]
    rows: list[Row] = field(default_factory=list)
    products: list[Path] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def run(self) -> list[Row]:
        """Run both sides and return the table."""
        try:
            self._run()
        except peer.PeerFailed as error:
            note = str(error).splitlines()[-1][:300]
            self.add("step", Comparison(f"peer's {self.case.recipe}", "-", "runs", float("nan"), 1.0, False, note=note))
        return self.rows

    def _run(self) -> None:
        simulation = self.case.simulate(peer.cache_folder())
        with ours.crds(simulation.environment):
            rates: list[Path] = []
            cals: list[Path] = []
            peer_cals: list[Path] = []
            uncals = simulation.uncals if self.case.segments == 1 else simulation.uncals[-1:]
            for uncal in uncals:
                compared = uncal == uncals[0]
                recipe = (
                    self.case.recipe if "image2" not in self.case.recipes else "exposure" if compared else "products"
                )
                folder = peer.run_peer(recipe, [uncal], environment=simulation.environment, steps=self.case.steps)
                one = _Exposure(self, uncal, folder, compared)
                rates += one.from_raw()
                if "image2" in self.case.recipes:
                    cals += one.image2(rates[-1:])
                    peer_cals += folder.glob("*_cal.fits")
            if "image3" in self.case.recipes:
                self._image3(cals, peer_cals, simulation)
            self._interoperate(rates[:1], cals[:1], simulation)

    def attempt(self, mode: str, step: str, work: Callable[[], object]) -> None:
        """Run something of ours; a failure becomes a row, so that the rest is still compared."""
        try:
            work()
        except ours.StepMissing as error:
            self.add(mode, Comparison(step, "-", "implemented", float("nan"), 1.0, False, note=str(error)))
            self.missing.append(step)
        except (JwcalError, ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError) as error:
            log.debug("%s %s", self.case.name, step, exc_info=True)
            note = f"{type(error).__name__}: {error}"[:200]
            self.add(mode, Comparison(step, "-", "runs", float("nan"), 1.0, False, note=note))

    def add(self, mode: str, result: Comparison, used: Sequence[str] = ()) -> None:
        """Append one row."""
        self.rows.append(Row(self.case.name, mode, result, tuple(used)))

    def meet(
        self, mode: str, step: str, mine: Path, its: Path, scene: Scene, *, apart: np.ndarray | None = None
    ) -> None:
        """Compare the arrays of two files after the declared deviations are applied.

        Pixels (ny, nx) that are `apart` are left out: of rates, those whose fits have used different groups. How many may do so
        is the rule of the flags.
        """
        keywords, reasons = deviations.uncompared_keywords(self.declared, step, mode, scene=scene)
        self.add(mode, compare_headers(step, mine, its, ignore=keywords), reasons)
        a, b, excluded, used = deviations.apply(
            self.declared, step, mode, ours=read_arrays(mine), peer=read_arrays(its), scene=scene
        )
        if apart is not None and apart.mean() < ALLOWED_FLAGS:
            for name, array in b.items():
                if array.shape[-2:] == apart.shape:
                    excluded[name] = excluded.get(name, False) | np.broadcast_to(apart, array.shape)
        rule = {"rtol": self.case.rtol(step), "allowed": self.case.allowed(step), "noise": scene.noise}
        for result in compare(step, a, b, **rule, excluded=excluded):
            self.add(mode, result, used)
        if step in cases.RAMP_STEPS and self.case.full_frame:
            mine.unlink()  # half a gigabyte each; ramps are validated on the small cases
        else:
            self.products.append(mine)

    def count_hits(self, mine: Path, its: Path, scene: Scene) -> None:
        """Hold the jumps of both pipelines against the particles that the simulator has put in, but for single lines."""
        found = None if self.case.stripes else detections.compare_hits(mine, its, scene)
        if found is not None:
            self.add("truth", found)

    # ---------------------------------------------------------------- ensembles
    def _image3(self, cals: list[Path], peer_cals: list[Path], simulation: Simulation) -> None:
        folder = peer.run_peer("image3", sorted(peer_cals, key=_by_name), environment=simulation.environment)
        scene = Scene(simulation.uncals[0], folder)
        previous = sorted(peer_cals, key=_by_name)
        for step in cases.IMAGE3_STEPS:
            self.attempt("step", step, partial(self._ensemble, step, previous, folder, scene, simulation))
            previous = sorted((folder / step).glob("*.fits"))
        self.attempt("step", "resample", partial(self._mosaic, "step", previous, folder, scene))
        self.attempt("step", "source_catalog", partial(self._catalog, folder))
        matched = sorted((folder / "skymatch").glob("*.fits"))
        self.attempt("chain", "image3", partial(self._own_mosaic, matched, folder, scene))
        self.attempt("interop", "image3", partial(self._own_image3, cals))

    def _ensemble(self, step: str, members: list[Path], folder: Path, scene: Scene, simulation: Simulation) -> None:
        """Compare one step of a set, member by member."""
        written = ours.run_step(step, association(members, self.work), self.work)
        for number, its in enumerate(sorted((folder / step).glob("*.fits"))):
            mine = written[f"science{number}"]
            if step != "outlier_detection":
                judged_apart = ("BKGLEVEL", "SCI:S_REGION")
                self.add("step", compare_headers(step, mine, its, ignore=judged_apart))
            if step == "tweakreg":
                truths = [simulation.truths[index] for index in (0, number)]
                self.add(
                    "step",
                    imaging.compare_alignment(step, mine, its, cals=[members[0], members[number]], truths=truths),
                )
            elif step == "skymatch":
                levels = [models.read_meta(path).get("background.level") for path in (mine, its)]
                histogram_bin = 0.1 * float(np.nanmedian(read_arrays(its)["ERR"]))
                self.add("step", imaging.compare_value(step, "BKGLEVEL", *levels, rtol=1e-3, atol=histogram_bin))
            else:
                self.meet("step", step, mine, its, scene)

    def _mosaic(self, mode: str, members: list[Path], folder: Path, scene: Scene) -> None:
        written = ours.run_step("resample", association(members, self.work), self.work)
        mine = next(iter(written.values()))
        self.add(mode, imaging.compare_wcs("resample", mine, folder / "resample.fits"))
        self.meet(mode, "resample", mine, folder / "resample.fits", scene)

    def _catalog(self, folder: Path) -> None:
        written = ours.run_step("source_catalog", folder / "resample.fits", self.work)
        self._meet_catalogs("step", written["cat"], folder)

    def _meet_catalogs(self, mode: str, mine: Path, folder: Path) -> None:
        skip, used = deviations.uncompared_columns(self.declared, "source_catalog", mode)
        for result in imaging.compare_catalogs(mine, folder / "mosaic_cat.ecsv", skip=skip):
            self.add(mode, result, used)

    def _own_image3(self, cals: list[Path]) -> None:
        """Run the whole of our stage 3 on our products; the alignment, better than the peer's, makes another grid."""
        written = ours.run_recipe("image3", association(cals, self.work), self.work / "image3")
        self.products.append(written["i2d"])

    def _own_mosaic(self, matched: list[Path], folder: Path, scene: Scene) -> None:
        """Compare our chain from the peer's alignment and sky levels on."""
        table = association(matched, self.work)
        written = ours.run_recipe("image3", table, self.work / "mosaic", start="outlier_detection")
        self.add("chain", imaging.compare_wcs("mosaic", written["i2d"], folder / "resample.fits"))
        self.meet("chain", "mosaic", written["i2d"], folder / "resample.fits", scene)
        self._meet_catalogs("chain", written["cat"], folder)

    # ---------------------------------------------------------------- interoperation
    def _interoperate(self, rates: list[Path], cals: list[Path], simulation: Simulation) -> None:
        """The peer goes on with our products, and its data models accept all of them."""
        environment = simulation.environment
        for recipe, inputs in (("image2", rates), ("image3", cals)):
            if recipe in self.case.recipes and inputs:
                self._peer_goes_on(recipe, inputs, environment)
        faults = peer.validate([path for path in self.products if path.suffix == ".fits"], environment=environment)
        for name, fault in faults.items():
            self.add("interop", Comparison("stdatamodels", name, "valid", float("nan"), 1.0, False, note=fault[:300]))
        count = len(self.products) - len(faults)
        self.add("interop", Comparison("stdatamodels", f"{count} products", "valid", 0.0, 0.0, not faults))

    def _peer_goes_on(self, recipe: str, inputs: list[Path], environment) -> None:
        try:
            peer.run_peer(recipe, inputs, environment=environment)
            failure = ""
        except peer.PeerFailed as error:
            failure = str(error).splitlines()[-1][:300]
        self.add("interop", Comparison(f"peer's {recipe} on ours", "-", "runs", 0.0, 0.0, not failure, note=failure))


@dataclass
class _Exposure:
    """One exposure of a case. Only the first one is compared step by step; the others are made for the mosaic."""

    harness: Harness
    uncal: Path
    folder: Path
    compared: bool

    @property
    def scene(self) -> Scene:
        return Scene(self.uncal, self.folder, self.harness.case.steps)

    @property
    def work(self) -> Path:
        return self.harness.work

    def from_raw(self) -> list[Path]:
        """Compare the first recipe on the peer's products and in our chain; return our rate file."""
        case = self.harness.case
        if self.compared:
            for step, given in self._with_previous(self.uncal, tuple(case.ramp_steps)):
                self.harness.attempt("step", step, partial(self._step, step, given, case.steps[step]))
            if "ramp_fit" in case.steps:
                self.harness.attempt("step", "ramp_fit", self._ramp_fit)
        rates: list[Path] = []
        self.harness.attempt("chain", case.recipe, partial(self._chain1, rates))
        return rates

    def _with_previous(self, first: Path, steps: Sequence[str]) -> Iterator[tuple[str, Path]]:
        for step in steps:
            yield step, first
            first = self.folder / f"{step}.fits"

    def _step(self, step: str, given: Path, options: Mapping[str, Any] | None = None) -> None:
        (mine,) = ours.run_step(step, given, self.work, options=options).values()
        if step == "assign_wcs":
            self.harness.add("step", imaging.compare_wcs(step, mine, self.folder / f"{step}.fits"))
        self.harness.meet("step", step, mine, self.folder / f"{step}.fits", self.scene)

    def _ramp_fit(self) -> None:
        *_, last = self.harness.case.ramp_steps
        options = self.harness.case.steps["ramp_fit"]
        written = ours.run_step("ramp_fit", self.folder / f"{last}.fits", self.work, options=options)
        self._meet_rates("step", written, peer="ramp_fit", labels=("ramp_fit", "ramp_fitints"))

    def _meet_rates(
        self,
        mode: str,
        written: Mapping[str, Path],
        *,
        peer: str,
        labels: tuple[str, str],
        apart: np.ndarray | None = None,
    ) -> None:
        """Compare the rate and the rates of the integrations; the peer makes none of a ramp that it cannot fit."""
        for label, stream, suffix in zip(labels, ("rate", "rateints"), ("", "ints"), strict=True):
            theirs = self.folder / f"{peer}{suffix}.fits"
            if theirs.is_file():
                if apart is not None:  # a fit by likelihood finds jumps itself
                    apart = apart | _different_flags(written[stream], theirs, name="DQ")
                self.harness.meet(mode, label, written[stream], theirs, self.scene, apart=apart)
            else:
                note = "the peer makes no product"
                self.harness.add(mode, Comparison(label, "-", "present in both", float("nan"), 1.0, False, note=note))

    def _chain1(self, rates: list[Path]) -> None:
        """Run the whole recipe; of a full frame only the last ramp is kept and compared, half a gigabyte each."""
        case, missing = self.harness.case, self.harness.missing
        steps = tuple(case.ramp_steps)
        save = () if not self.compared else steps[-1:] if case.full_frame else steps
        written = ours.run_recipe(
            case.recipe,
            self.uncal,
            self.work / case.recipe,
            options={step: options for step, options in case.steps.items() if step not in missing},
            skip=[*missing, *case.without],
            save=[step for step in save if step not in missing],
        )
        if missing and self.compared:
            note = f"compared as far as {missing[0]}, which is not implemented"
            self.harness.add("chain", Comparison(case.recipe, "-", "implemented", float("nan"), 1.0, False, note=note))
            save = save[: save.index(missing[0])] if missing[0] in save else ()
        apart = None
        for step in save:
            if step in written:
                apart = _different_flags(written[step], self.folder / f"{step}.fits")
                if step == "jump" and case.counts_hits:
                    self.harness.count_hits(written[step], self.folder / f"{step}.fits", self.scene)
                self.harness.meet("chain", step, written[step], self.folder / f"{step}.fits", self.scene)
        if "rate" not in written:
            return
        if self.compared and not missing:
            self._meet_rates("chain", written, peer="gain_scale", labels=("rate", "rateints"), apart=apart)
        rates.append(written["rate"])

    def image2(self, rates: list[Path]) -> list[Path]:
        """Compare stage 2; return our cal file."""
        if self.compared:
            for step, given in self._with_previous(self.folder / "gain_scale.fits", cases.IMAGE2_STEPS):
                self.harness.attempt("step", step, partial(self._step, step, given))
            self.harness.attempt("step", "resample2", self._resample)
        cals: list[Path] = []
        for rate in rates:
            self.harness.attempt("chain", "image2", partial(self._chain2, rate, cals))
        return cals

    def _resample(self) -> None:
        (mine,) = ours.run_step("resample", self.folder / "photom.fits", self.work).values()
        self.harness.add("step", imaging.compare_wcs("resample2", mine, self.folder / "resample2.fits"))
        self.harness.meet("step", "resample2", mine, self.folder / "resample2.fits", self.scene)

    def _chain2(self, rate: Path, cals: list[Path]) -> None:
        written = ours.run_recipe("image2", rate, self.work / "image2")
        if self.compared:
            self.harness.add("chain", imaging.compare_wcs("cal", written["science"], self.folder / "photom.fits"))
            self.harness.meet("chain", "cal", written["science"], self.folder / "photom.fits", self.scene)
            self.harness.meet("chain", "i2d", written["i2d"], self.folder / "resample2.fits", self.scene)
        cals.append(written["science"])


def _different_flags(mine: Path, its: Path, *, name: str = "GROUPDQ") -> np.ndarray | None:
    """Return the pixels of two products that have different flags, bool (ny, nx); None without such flags."""
    flags = [read_arrays(path).get(name) for path in (mine, its)]
    if flags[0] is None or flags[1] is None or flags[0].shape != flags[1].shape:
        return None
    return (flags[0] != flags[1]).reshape(-1, *flags[0].shape[-2:]).any(axis=0)


def association(members: Sequence[Path], folder: Path) -> Path:
    """Write a stage-3 association and link its members beside it, where associations look for them."""
    folder = fresh(folder / "association")
    for member in members:
        os.link(member, folder / member.name)
    table = folder / "parity_asn.json"
    content = {
        "asn_type": "image3",
        "asn_rule": "parity",
        "asn_id": "a3001",
        "asn_pool": "none",
        "products": [{"name": "mosaic", "members": [{"expname": m.name, "exptype": "science"} for m in members]}],
    }
    table.write_text(json.dumps(content))
    return table


def _by_name(path: Path) -> str:
    return path.name


def fresh(folder: Path) -> Path:
    """Return an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
