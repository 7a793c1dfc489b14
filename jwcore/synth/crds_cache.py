"""An offline cache of the Calibration Reference Data System (CRDS) that selects the synthetic references.

Layout and text format are those that the official client reads without a server: ``config``, ``mappings`` (pipeline,
instrument and reference-type rules, each with the SHA-1 of its own text) and ``references``. Use it with the
environment of `CrdsCache.environment`.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from pprint import pformat
from typing import Any

__all__ = ["CrdsCache"]

SERVERLESS_URL = "https://jwst-serverless-mode.stsci.edu"
CONTEXT = "jwst_0001.pmap"
FOLDER = "crds_cache"
"""Folder of the cache beside the exposures; they name it in the keyword SIMCACHE, and the context in SIMCTX."""

_PARAMETERS = {
    "instrument": "META.INSTRUMENT.NAME",
    "detector": "META.INSTRUMENT.DETECTOR",
    "filter": "META.INSTRUMENT.FILTER",
    "pupil": "META.INSTRUMENT.PUPIL",
    "grating": "META.INSTRUMENT.GRATING",
    "band": "META.INSTRUMENT.BAND",
    "channel": "META.INSTRUMENT.CHANNEL",
    "module": "META.INSTRUMENT.MODULE",
    "exp_type": "META.EXPOSURE.TYPE",
    "readpatt": "META.EXPOSURE.READPATT",
    "noutputs": "META.EXPOSURE.NOUTPUTS",
    "subarray": "META.SUBARRAY.NAME",
    "xstart": "META.SUBARRAY.XSTART",
    "ystart": "META.SUBARRAY.YSTART",
    "xsize": "META.SUBARRAY.XSIZE",
    "ysize": "META.SUBARRAY.YSIZE",
}

_PLACE = ("xstart", "ystart", "xsize", "ysize")
_COMMON = {
    "mask": ("detector", "subarray"),
    "saturation": ("detector",),
    "superbias": ("detector", "readpatt", "subarray"),
    "ipc": ("detector",),
    "linearity": ("detector", "subarray"),
    "dark": ("detector", "readpatt", "subarray"),
    "gain": ("detector", "subarray"),
    "readnoise": ("detector", "readpatt", "subarray"),
    "flat": ("detector", "filter", "pupil"),
    "photom": ("detector", "exp_type"),
    "area": ("detector", "filter", "pupil", "exp_type"),
    "distortion": ("exp_type", "detector", "channel", "pupil", "filter"),
    "filteroffset": ("channel", "module"),
    "apcorr": ("exp_type",),
    "abvegaoffset": ("exp_type",),
}
SELECTION = {
    "NIRCAM": _COMMON | {"sirskernel": ("instrument",), "dark": ("exp_type", "detector", "noutputs", "subarray")},
    "NIRISS": _COMMON | {"sirskernel": ("instrument",)},
    "FGS": _COMMON | {"mask": ("detector", "subarray", "exp_type"), "flat": ("detector", "exp_type")},
    "NIRSPEC": _COMMON
    | {
        "mask": ("detector", "subarray", "readpatt"),
        "saturation": ("detector", "subarray"),
        "superbias": ("detector", "readpatt", "subarray", *_PLACE),
        "dark": ("detector", "readpatt", "subarray", *_PLACE),
        "refpix": ("detector", "readpatt"),
        "sirskernel": ("instrument",),
        "pictureframe": ("detector",),
        "flat": ("detector", "filter", "grating", "exp_type"),
    },
    "MIRI": _COMMON
    | {
        "emicorr": ("instrument",),
        "reset": ("detector", "subarray", "readpatt"),
        "linearity": ("detector", "subarray", "band", "filter"),
        "rscd": ("detector",),
        "flat": ("detector", "filter", "band", "readpatt", "subarray"),
    },
}
"""Parameters that select each reference type, by instrument."""

_UNUSED_TYPES = (
    "amplifier badshutter barshadow bkg camera chromcorr collimator cubepar dflat disperser drizpars extract1d "
    "fflat fore fpa fringe fringefreq ifufore ifupost ifuslicer lastframe mrsptcorr mrsxartcorr msa msaoper nrm ote "
    "pastasoss pathloss persat psf psfmask regions resol sflat sirskernel speckernel "
    "specprofile spectrace specwcs straymask throughput trapdensity trappars tsophot wavecorr wavelengthrange wavemap "
    "wfssbkg"
)
_STEPS_WITH_DEFAULTS = (
    "groupscale dqinit guidercds emicorr saturation ipc superbias refpix rscd firstframe lastframe linearity darkcurrent reset "
    "persistence chargemigration jump pictureframe cleanflickernoise rampfit gainscale assignwcs background flatfield "
    "photom resample tweakreg skymatch outlierdetection sourcecatalog assignmtwcs"
)
_NOT_APPLICABLE = (
    *_UNUSED_TYPES.split(),
    *(f"pars-{step}step" for step in _STEPS_WITH_DEFAULTS.split()),
    *(f"pars-{name}pipeline" for name in ("detector1", "dark", "guider", "image2", "image3")),
)
"""Types that a pipeline may ask for and that have no file here; steps then use their own defaults."""

_TYPES = {kind for types in SELECTION.values() for kind in types}
_GENERIC = {"META.SUBARRAY.NAME": {"GENERIC": "N/A"}}


@dataclass(kw_only=True)
class CrdsCache:
    """A cache being built: add files with `add`, then call `write`.

    ``root`` is the value of CRDS_PATH, ``instrument`` the name of the instrument.
    """

    root: Path
    instrument: str
    _entries: dict[str, dict[tuple[str, ...], dict[str, str]]] = field(default_factory=dict)

    @property
    def references(self) -> Path:
        """Folder of the reference files."""
        return self.root / "references" / "jwst" / self.instrument.lower()

    @property
    def _mappings(self) -> Path:
        return self.root / "mappings" / "jwst"

    def environment(self) -> dict[str, str]:
        """Environment variables under which the ``crds`` client uses this cache and no network."""
        return {
            "CRDS_PATH": str(self.root.resolve()),
            "CRDS_CONTEXT": CONTEXT,
            "CRDS_SERVER_URL": SERVERLESS_URL,
            "CRDS_READONLY_CACHE": "0",
        }

    def add(self, reference_type: str, path: Path, *, useafter: str, **values: object) -> None:
        """Register a file for the values of the parameters that select its type; what is not given matches anything.

        Values of parameters that do not select the type are ignored.
        """
        dates = self._entries.setdefault(reference_type, {}).setdefault(self._key(reference_type, values), {})
        dates[useafter.replace("T", " ")] = path.name

    def has(self, reference_type: str, **values: object) -> bool:
        """Tell whether there is a file for these values."""
        return self._key(reference_type, values) in self._entries.get(reference_type, {})

    def _key(self, reference_type: str, values: dict[str, object]) -> tuple[str, ...]:
        return tuple(str(values.get(name) or "N/A") for name in self._parameters(reference_type))

    def _parameters(self, reference_type: str) -> tuple[str, ...]:
        known = SELECTION[self.instrument]
        if reference_type not in known:
            raise ValueError(f"{self.instrument} has no rules for {reference_type!r}; it has {', '.join(known)}")
        return known[reference_type]

    def write(self) -> Path:
        """Write the rules and the configuration; return the root of the cache."""
        self._mappings.mkdir(parents=True, exist_ok=True)
        self.references.mkdir(parents=True, exist_ok=True)
        name = self.instrument.lower()
        rules = {kind: self._write_rules(kind) for kind in self._entries}
        types = {kind: rules.get(kind, "N/A") for kind in sorted({*_TYPES, *_NOT_APPLICABLE})}
        imap = self._write_mapping(
            f"jwst_{name}_0001.imap",
            {"instrument": self.instrument, "mapping": "INSTRUMENT", "parkey": ("REFTYPE",)},
            f"selector = {pformat(types)}\n",
        )
        self._write_mapping(
            CONTEXT,
            {"mapping": "PIPELINE", "parkey": ("META.INSTRUMENT.NAME",)},
            f"selector = {pformat({self.instrument: imap})}\n",
        )
        self._write_configuration()
        return self.root

    def _write_rules(self, reference_type: str) -> str:
        selectors = self._parameters(reference_type)
        parameters = tuple(_PARAMETERS[name] for name in selectors)
        header: dict[str, Any] = {
            "classes": ("Match", "UseAfter"),
            "file_ext": ".fits",
            "filekind": reference_type.upper(),
            "filetype": reference_type.upper(),
            "instrument": self.instrument,
            "mapping": "REFERENCE",
            "parkey": (parameters, ("META.OBSERVATION.DATE", "META.OBSERVATION.TIME")),
            "suffix": reference_type,
            "text_descr": f"Synthetic {reference_type}",
        }
        if "subarray" in selectors:
            header["substitutions"] = _GENERIC
        lines = ["selector = Match({"]
        for key, dates in sorted(self._entries[reference_type].items()):
            lines.append(f"    {key!r} : UseAfter({{")
            lines += [f"        {date!r} : {file!r}," for date, file in sorted(dates.items())]
            lines.append("    }),")
        lines.append("})\n")
        return self._write_mapping(
            f"jwst_{self.instrument.lower()}_{reference_type}_0001.rmap", header, "\n".join(lines)
        )

    def _write_mapping(self, name: str, header: dict, selector: str) -> str:
        """Write a mapping whose ``sha1sum`` covers all its lines but its own."""
        header = {**header, "name": name, "derived_from": "synthetic", "observatory": "JWST"}
        lines = [f"    {key!r} : {header[key]!r},\n" for key in sorted(header)]
        digest = hashlib.sha1("".join(["header = {\n", *lines, "}\n\n", selector]).encode()).hexdigest()
        lines.append(f"    'sha1sum' : {digest!r},\n")
        text = "".join(["header = {\n", *lines, "}\n\n", selector])
        (self._mappings / name).write_text(text, encoding="utf-8")
        return name

    def _write_configuration(self) -> None:
        folder = self.root / "config" / "jwst"
        folder.mkdir(parents=True, exist_ok=True)
        configuration = {
            "observatory": "jwst",
            **dict.fromkeys(("operational_context", "latest_context", "edit_context"), CONTEXT),
            "bad_files": "",
            "bad_files_list": [],
            "force_remote_mode": False,
            "last_synced": "synthetic",
            "mappings": sorted(path.name for path in self._mappings.iterdir()),
            "status": "cache",
            "connected": False,
            "crds_version": {"str": "synthetic"},
            "reference_url": "",
            "mapping_url": "",
        }
        (folder / "server_config").write_text(pformat(configuration), encoding="utf-8")
        (folder / "bad_files.txt").write_text("", encoding="utf-8")
        (folder / "ref_cache_subdir_mode").write_text("instrument", encoding="utf-8")
