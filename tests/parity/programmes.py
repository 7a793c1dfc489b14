"""The programmes on which both pipelines are compared."""

from typing import Any

from tests.parity.cases import Case

GROUPS = (1, 2, 3, 4, 5, 10, 12, 50)
INTEGRATIONS = (1, 2, 10)
_CHAIN = ("detector1", "image2")


def matrix(name: str, *, shift: int, patterns: tuple[str, ...], **settings: Any) -> tuple[Case, ...]:
    """Make small cases of every number of groups.

    The numbers of integrations and the read patterns take turns; with another ``shift`` of another instrument every number
    of groups meets every number of integrations.
    """
    return tuple(
        Case(
            name=f"{name} {nints}x{ngroups}",
            ngroups=ngroups,
            nints=nints,
            readpatt=patterns[k % len(patterns)],
            **settings,
        )
        for k, ngroups in enumerate(GROUPS)
        for nints in [INTEGRATIONS[(k + shift) % len(INTEGRATIONS)]]
    )


NIRCAM = (
    Case(name="corner 1x5", subarray="SUB160", readpatt="SHALLOW4", ngroups=5, recipes=_CHAIN, sky=True, quick=True),
    Case(name="corner 1x10", subarray="SUB160", readpatt="BRIGHT1", ngroups=10, sky=True, quick=True),
    Case(name="corner 2x5", subarray="SUB160", readpatt="DEEP8", ngroups=5, nints=2, sky=True, quick=True),
    Case(name="corner 2x10", subarray="SUB160", readpatt="RAPID", ngroups=10, nints=2, sky=True, quick=True),
    Case(name="full 1x5", subarray="FULL", readpatt="SHALLOW4", ngroups=5, sky=True, quick=True),
    Case(name="full 1x10", subarray="FULL", readpatt="BRIGHT2", ngroups=10, sky=True),
    Case(name="full 2x5", subarray="FULL", readpatt="RAPID", ngroups=5, nints=2, sky=True),
    Case(name="full 2x10", subarray="FULL", readpatt="MEDIUM8", ngroups=10, nints=2, sky=True),
    *matrix("NIRCam", shift=0, patterns=("RAPID", "BRIGHT2", "SHALLOW4", "MEDIUM8"), subarray="SUB160"),
    Case(name="NIRCam 320", subarray="SUB320", readpatt="MEDIUM8", ngroups=4, nints=2),
    Case(name="NIRCam grism", mode="tso-grism", subarray="SUBGRISM64", ngroups=10, nints=4, segments=2),
    Case(
        name="NIRCam stripes",
        mode="tso-grism",
        subarray="SUBGRISM64",
        ngroups=6,
        nints=2,
        stripes={
            "lines": 34,
            "MSTR_RD1": 4,
            "MSTR_SK1": 6,
            "MSTR_RD2": 10,
            "MSTR_SK2": 5,
            "MSTR_RPT": 0,
            "MSTR_ILV": 0,
            "SSTR_STP": 0,
            "SSTR_NST": 0,
        },
        without=("ipc", "dark_current"),  # the peer mixes lines of different stripes, and does not cut darks to them
    ),
    Case(
        name="NIRCam snowballs",
        subarray="SUB640",
        readpatt="SHALLOW4",
        ngroups=8,
        nints=2,
        effects={"snowballs": True, "snowball_rate": 0.05},
        options={"jump": {"expand_large_events": True}},
    ),
    Case(name="NIRCam likely", subarray="SUB160", ngroups=10, options={"ramp_fit": {"algorithm": "LIKELY"}}),
    Case(
        name="NIRCam persistence",
        subarray="SUB160",
        readpatt="RAPID",
        ngroups=8,
        nints=3,
        sky=True,
        options={"persistence": {"persistence_time": 30}},
    ),
    Case(
        name="NIRCam sirs",
        subarray="FULL",
        readpatt="RAPID",
        ngroups=3,
        options={"refpix": {"refpix_algorithm": "sirs"}},
    ),
    Case(name="NIRCam flicker", subarray="SUB320", readpatt="RAPID", ngroups=5, options={"clean_flicker_noise": {}}),
    Case(
        name="mosaic small",
        subarray="SUB640",
        readpatt="BRIGHT1",
        ngroups=5,
        dithers=4,
        sky=True,
        recipes=(*_CHAIN, "image3"),
        quick=True,
    ),
    Case(
        name="mosaic full",
        subarray="FULL",
        readpatt="BRIGHT1",
        ngroups=5,
        dithers=4,
        sky=True,
        recipes=(*_CHAIN, "image3"),
    ),
)

_EMI = {"interference": True, "interference_amplitude": 15.0}
MIRI = (
    *matrix("MIRI", shift=1, patterns=("FASTR1", "SLOWR1", "FASTR1"), instrument="MIRI", subarray="SUB64"),
    Case(name="MIRI prism 10x30", instrument="MIRI", mode="lrs-slitless", ngroups=30, nints=10),
    Case(name="MIRI prism segment", instrument="MIRI", mode="lrs-slitless", ngroups=8, nints=5, segments=2, quick=True),
    Case(name="MIRI full 2x50", instrument="MIRI", mode="imaging", subarray="FULL", ngroups=50, nints=2),
    Case(name="MIRI slow 1x8", instrument="MIRI", mode="mrs", ngroups=8),
    Case(
        name="MIRI interference",
        instrument="MIRI",
        subarray="SUB64",
        ngroups=10,
        nints=3,
        effects=_EMI,
        options={"emicorr": {}},
    ),
    Case(
        name="MIRI interference sequential",
        instrument="MIRI",
        mode="lrs-slitless",
        ngroups=10,
        nints=3,
        effects=_EMI,
        options={"emicorr": {"algorithm": "sequential"}},
    ),
    Case(
        name="MIRI showers",
        instrument="MIRI",
        subarray="SUB256",
        ngroups=30,
        nints=2,
        effects={"showers": True, "shower_rate": 0.3},
        options={"jump": {"find_showers": True}, "firstframe": {}},
    ),
)

NIRSPEC = (
    *matrix("NIRSpec", shift=2, patterns=("NRSRAPID", "NRS"), instrument="NIRSPEC", subarray="SUB512"),
    Case(
        name="NIRSpec SUB2048 2x10", instrument="NIRSPEC", mode="brightobject", subarray="SUB2048", ngroups=10, nints=2,
        quick=True,
    ),
    Case(name="NIRSpec ALLSLITS 2x5", instrument="NIRSPEC", subarray="ALLSLITS", ngroups=5, nints=2),
    Case(name="NIRSpec slit NRS2", instrument="NIRSPEC", detector="NRS2", subarray="SUBS200A1", ngroups=5),
    Case(
        name="NIRSpec full 1x5",
        instrument="NIRSPEC",
        mode="ifu",
        readpatt="NRSRAPID",
        ngroups=5,
        effects={"picture_frame": True},
        options={"picture_frame": {"mask_science_regions": False}},
    ),
    Case(name="NIRSpec IRS2 1x4", instrument="NIRSPEC", mode="ifu", ngroups=4),
    Case(name="NIRSpec IRS2 averages", instrument="NIRSPEC", mode="ifu", readpatt="NRSIRS2", ngroups=4),
    Case(name="NIRSpec IRS2 NRS2", instrument="NIRSPEC", mode="mos", detector="NRS2", ngroups=3),
)  # fmt: skip

NIRISS = (
    *matrix("NIRISS", shift=0, patterns=("NISRAPID",), instrument="NIRISS", mode="ami", subarray="SUB80"),
    Case(
        name="NIRISS migration",
        instrument="NIRISS",
        mode="ami",
        subarray="SUB80",
        ngroups=10,
        nints=2,
        effects={"charge_migration": True},
        options={"charge_migration": {"signal_threshold": 25000.0}},
        quick=True,
    ),
    Case(name="NIRISS SOSS 2x5", instrument="NIRISS", mode="soss", subarray="SUBSTRIP256", ngroups=5, nints=2),
    Case(
        name="NIRISS SUBSTRIP96",
        instrument="NIRISS",
        mode="soss",
        subarray="SUBSTRIP96",
        ngroups=3,
        nints=4,
        segments=2,
    ),
    Case(name="NIRISS full 1x5", instrument="NIRISS", readpatt="NISRAPID", ngroups=5),
    Case(name="NIRISS wide 1x4", instrument="NIRISS", mode="wfss", subarray="WFSS128R", readpatt="NIS", ngroups=4),
)

FGS = (
    *matrix("FGS", shift=1, patterns=("FGSRAPID", "FGS60"), instrument="FGS", subarray="SUB128LL"),
    Case(name="FGS full 1x5", instrument="FGS", ngroups=5),
    Case(name="FGS GUIDER2", instrument="FGS", detector="GUIDER2", subarray="SUB128CNTR", ngroups=6, quick=True),
    *(
        Case(name=f"FGS {mode}", instrument="FGS", mode=mode, ngroups=ngroups, nints=nints, recipes=("guider",))
        for mode, ngroups, nints in (
            ("id-image", 2, 2), ("acq1", 2, 6), ("acq2", 2, 5), ("track", 2, 20), ("fineguide", 8, 20),
        )
    ),
)  # fmt: skip

CASES = (*NIRCAM, *MIRI, *NIRSPEC, *NIRISS, *FGS)
