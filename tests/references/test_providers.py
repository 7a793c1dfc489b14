import json
import os
import subprocess
import sys

import pytest
from astropy.io import fits

from jwcore.errors import BadInput, MissingReference, UsageError
from jwcore.references import (
    Chain,
    CrdsProvider,
    DirectoryProvider,
    Found,
    Missing,
    NotApplicable,
    OverrideProvider,
    RecordedProvider,
    SyntheticProvider,
    chain_from_options,
)
from jwcore.references.resolutions import ResolutionStore
from tests.references.crds_files import write_cache, write_reference, write_rmap

FLAT = "jwst_nircam_flat_0002.fits"
CONTEXT = "jwst_0001.pmap"


class Fixed:
    """A provider with ready answers that remembers what it was asked."""

    context = "fixed"

    def __init__(self, name, **outcomes):
        self.name = name
        self.outcomes = outcomes
        self.asked = []

    def find(self, types, parameters):
        self.asked += types
        return {type_: self.outcomes[type_] for type_ in types if type_ in self.outcomes}


# ---- overrides
def test_overrides(tmp_path):
    path = tmp_path / "my_flat.fits"
    fits.PrimaryHDU().writeto(path)
    provider = OverrideProvider({"flat": path, "IPC": "n/a", "dark": tmp_path / "nowhere.fits"})
    outcomes = provider.find(["flat", "ipc", "dark", "gain"], {})
    assert outcomes["flat"] == Found("flat", path, "my_flat.fits", "override")
    assert outcomes["flat"].record == str(path)
    assert outcomes["ipc"].record == "N/A"
    assert isinstance(outcomes["dark"], Missing)
    assert "nowhere.fits" in outcomes["dark"].cure
    assert "gain" not in outcomes


# ---- chains
def test_the_first_provider_that_knows_has_the_word(tmp_path):
    found = Found("flat", tmp_path / FLAT, FLAT, "first", "jwst_0001.pmap")
    lost = Missing("dark", "lost here", "look there", provider="first")
    first = Fixed("first", flat=found, dark=lost, gain=Missing("gain", "no rule", "cure one"))
    second = Fixed(
        "second", dark=NotApplicable("dark", "the rules say so"), gain=Missing("gain", "no cache", "cure two")
    )
    outcomes = Chain([first, second]).find(["flat", "dark", "gain", "mask"], {})
    assert outcomes["flat"] is found
    assert found.record == f"crds://{FLAT}"
    assert isinstance(outcomes["dark"], NotApplicable)
    assert outcomes["gain"].reason == "no rule; no cache"
    assert outcomes["gain"].cure == "cure two"
    assert "no source" in outcomes["mask"].reason
    assert second.asked == ["dark", "gain", "mask"]
    assert Chain([first, second]).context == "fixed"


def test_a_selected_file_that_is_absent_is_reported_by_name():
    named = Missing("flat", "not in the cache", "sync", name=FLAT)
    chain = Chain([Fixed("one", flat=Missing("flat", "no file", "x")), Fixed("two", flat=named)])
    assert chain.find(["flat"], {})["flat"] is named


def test_a_wrong_override_is_not_papered_over(tmp_path):
    other = Fixed("other", flat=Found("flat", tmp_path, "x", "other"))
    chain = Chain([OverrideProvider({"flat": tmp_path / "typo.fits"}), other])
    assert isinstance(chain.find(["flat"], {})["flat"], Missing)


def test_fetching_goes_to_the_provider_that_selected():
    class Server(Fixed):
        def fetch(self, missing):
            return {item.type: Found(item.type, None, item.name, self.name) for item in missing}

    missing = [Missing("flat", "", "", name=FLAT, provider="crds"), Missing("dark", "", "", provider="crds")]
    outcomes = Chain([Fixed("other"), Server("crds")]).fetch(missing)
    assert isinstance(outcomes["flat"], Found)
    assert outcomes["dark"] is missing[1]


def test_options(tmp_path):
    names = lambda chain: [provider.name for provider in chain.providers]  # noqa: E731
    assert names(chain_from_options()) == ["synthetic", "crds"]
    assert names(chain_from_options("crds")) == ["crds"]
    assert names(chain_from_options("none", overrides={"flat": "N/A"})) == ["override"]
    assert names(chain_from_options(tmp_path, overrides={"flat": "N/A"})) == [
        "override",
        "directory",
        "synthetic",
        "crds",
    ]
    plugin = chain_from_options("bucket", providers={"bucket": lambda: Fixed("bucket")})
    assert names(plugin) == ["bucket", "synthetic", "crds"]
    with pytest.raises(UsageError, match="no folder of references 'crsd'"):
        chain_from_options("crsd")


# ---- a plain folder
def write(folder, name, **cards):
    primary = fits.PrimaryHDU()
    primary.header.update({"REFTYPE": "FLAT", "INSTRUME": "NIRCAM", "USEAFTER": "2022-01-01T00:00:00", **cards})
    primary.writeto(folder / name, overwrite=True)


def pick(folder, parameters, type_="flat"):
    return DirectoryProvider(folder).find([type_], parameters)[type_]


def test_folder_selects_by_keywords(tmp_path, parameters):
    write(tmp_path, "right.fits", DETECTOR="NRCB1", FILTER="F200W", PUPIL="CLEAR", READPATT="DEEP8")
    write(tmp_path, "other.fits", DETECTOR="NRCB1", FILTER="F115W", PUPIL="CLEAR")
    write(tmp_path, "foreign.fits", INSTRUME="NIRISS", FILTER="F200W")
    write(tmp_path, "general.fits", DETECTOR="ANY", FILTER="ANY")
    (tmp_path / "notes.fits").write_bytes(b"no FITS file")
    found = pick(tmp_path, parameters)
    assert found.name == "right.fits"
    assert found.context == tmp_path.name
    assert pick(tmp_path, {**parameters, "META.INSTRUMENT.FILTER": "F090W"}).name == "general.fits"


def test_folder_patterns_and_dates(tmp_path, parameters):
    write(tmp_path, "a.fits", FILTER="F115W", P_FILTER="F115W|F200W|")
    write(tmp_path, "b.fits", FILTER="F200W", USEAFTER="2023-05-01T12:00:00")
    write(tmp_path, "c.fits", FILTER="F200W", USEAFTER="2023-05-02T00:00:00")
    assert pick(tmp_path, parameters).name == "b.fits"
    assert pick(tmp_path, {**parameters, "META.OBSERVATION.DATE": "2023-04-01"}).name == "a.fits"
    assert pick(tmp_path, {**parameters, "META.OBSERVATION.DATE": "2023-06-01"}).name == "c.fits"
    write(tmp_path, "d.fits", FILTER="F200W", USEAFTER="2023-05-02T00:00:00")
    assert pick(tmp_path, {**parameters, "META.OBSERVATION.DATE": "2023-06-01"}).name == "d.fits"


def test_folder_prefers_the_own_subarray_to_the_full_frame(tmp_path, parameters):
    write(tmp_path, "full.fits", REFTYPE="GAIN", DETECTOR="NRCB1", SUBARRAY="FULL", USEAFTER="2023-01-01T00:00:00")
    sub = {**parameters, "META.SUBARRAY.NAME": "SUB64P"}
    assert pick(tmp_path, sub, "gain").name == "full.fits"
    write(tmp_path, "sub.fits", REFTYPE="GAIN", DETECTOR="NRCB1", SUBARRAY="SUB64P")
    assert pick(tmp_path, sub, "gain").name == "sub.fits"
    assert pick(tmp_path, parameters, "gain").name == "full.fits"


def test_folder_with_asdf_and_json(tmp_path, parameters):
    import asdf

    meta = {"reftype": "DISTORTION", "instrument": {"name": "NIRCAM", "detector": "NRCB1", "p_filter": "F200W|F090W|"}}
    asdf.AsdfFile({"meta": {**meta, "useafter": "2022-01-01T00:00:00"}, "model": {"a": [1, 2]}}).write_to(
        tmp_path / "d.asdf"
    )
    (tmp_path / "e.json").write_text(json.dumps({"reftype": "EXTRACT1D", "instrument": "NIRCAM", "apertures": []}))
    assert pick(tmp_path, parameters, "distortion").name == "d.asdf"
    assert pick(tmp_path, parameters, "extract1d").name == "e.json"
    assert isinstance(pick(tmp_path, {**parameters, "META.INSTRUMENT.FILTER": "F115W"}, "distortion"), Missing)


def test_folder_says_what_it_lacks(tmp_path, parameters):
    write(tmp_path, "other.fits", FILTER="F115W")
    settings = tmp_path / "references.toml"
    settings.write_text('context = "mine-3"\nnot_applicable = ["ipc"]\n')
    outcomes = DirectoryProvider(tmp_path).find(["flat", "dark", "ipc"], parameters)
    assert "none of the 1 files" in outcomes["flat"].reason
    assert "NRCB1" in outcomes["flat"].reason
    assert "not_applicable" in outcomes["dark"].cure
    assert isinstance(outcomes["ipc"], NotApplicable)
    assert outcomes["ipc"].context == "mine-3"
    settings.write_text("context = mine")
    with pytest.raises(BadInput, match=r"references\.toml"):
        DirectoryProvider(tmp_path)


def test_folder_index_follows_changes(tmp_path, parameters, monkeypatch):
    write(tmp_path, "a.fits", FILTER="F200W")
    assert pick(tmp_path, parameters).name == "a.fits"
    read = []
    monkeypatch.setattr("jwcore.references.directory.identify", lambda path: read.append(path.name) or {})
    assert pick(tmp_path, parameters).name == "a.fits"
    assert read == []
    write(tmp_path, "b.fits", FILTER="F200W", HISTORY="new")
    pick(tmp_path, parameters)
    assert read == ["b.fits"]


def test_a_full_frame_of_a_new_type_stands_in_for_a_sub_array(tmp_path, parameters):
    frame = {"REFTYPE": "GHOST", "SUBARRAY": "FULL"}
    sub = {**parameters, "META.SUBARRAY.NAME": "SUB64P"}
    write(tmp_path, "no_image.fits", **frame)
    assert isinstance(pick(tmp_path, sub, "ghost"), Missing)
    write(tmp_path, "image.fits", **frame, SUBSTRT1=1, SUBSTRT2=1, SUBSIZE1=2048, SUBSIZE2=2048)
    assert pick(tmp_path, sub, "ghost").name == "image.fits"


# ---- the CRDS rules
@pytest.fixture
def cache(tmp_path):
    root = tmp_path / "crds"
    rules = {
        ("NRCB1", "F200W"): {"2022-01-01 00:00:00": "jwst_nircam_flat_0001.fits", "2023-01-01 00:00:00": FLAT},
        ("NRCB1", "F115W"): "N/A",
    }
    bad_rules = {("NRCB1",): {"2022-01-01 00:00:00": "jwst_nircam_gain_0001.fits"}}
    types = {
        "flat": write_rmap(root / "mappings/jwst", "flat", ("detector", "filter"), rules),
        "gain": write_rmap(root / "mappings/jwst", "gain", ("detector",), bad_rules),
        "rscd": "N/A",
    }
    write_reference(root, FLAT)
    write_reference(root, "jwst_nircam_gain_0001.fits")
    return write_cache(root, types, bad=("jwst_nircam_gain_0001.fits",))


@pytest.fixture
def provider(cache, monkeypatch):
    monkeypatch.setenv("CRDS_PATH", str(cache))
    return CrdsProvider()


def test_crds_rules(provider, parameters, cache):
    outcomes = provider.find(["flat", "rscd", "gain", "barshadow", "pars-jumpstep"], parameters)
    assert outcomes["flat"] == Found("flat", cache / f"references/jwst/nircam/{FLAT}", FLAT, "crds", CONTEXT)
    assert isinstance(outcomes["rscd"], NotApplicable)
    assert isinstance(outcomes["barshadow"], NotApplicable)
    assert isinstance(outcomes["pars-jumpstep"], NotApplicable)
    assert "scientifically invalid" in outcomes["gain"].reason
    assert provider.context == CONTEXT


def test_recorded_files_are_found_whatever_the_settings_say(provider, parameters, cache, monkeypatch):
    (found,) = provider.find(["flat"], parameters).values()
    recorded = RecordedProvider({"flat": found.described(), "gain": "N/A"})
    monkeypatch.setenv("CRDS_CONTEXT", "jwst_9999.pmap")
    outcomes = recorded.find(["flat", "gain", "dark"], {})
    assert outcomes["flat"] == found
    assert [type(outcomes[kind]) for kind in ("gain", "dark")] == [NotApplicable, Missing]
    moved = cache.rename(cache.parent / "moved")
    assert "is not at" in recorded.find(["flat"], {})["flat"].reason
    monkeypatch.setenv("CRDS_PATH", str(moved))
    assert recorded.find(["flat"], {})["flat"].path == moved / f"references/jwst/nircam/{FLAT}"
    monkeypatch.delenv("CRDS_PATH")
    assert recorded.find(["flat"], {"SIMCACHE": str(moved)})["flat"].record == f"crds://{FLAT}"


def test_crds_failures_are_outcomes(provider, parameters):
    other = {**parameters, "META.INSTRUMENT.FILTER": "F115W"}
    assert isinstance(provider.find(["flat"], other)["flat"], NotApplicable)
    none = provider.find(["flat"], {**parameters, "META.INSTRUMENT.FILTER": "F999W"})["flat"]
    assert "no rule matches" in none.reason
    assert "F999W" in none.reason
    unset = {name: value for name, value in parameters.items() if name != "META.INSTRUMENT.FILTER"}
    nameless = provider.find(["flat"], {**unset, "FILE": "x_uncal.fits"})["flat"]
    assert nameless.reason == "no FILTER in the header of x_uncal.fits, by which it is selected"
    early = provider.find(["flat"], {**parameters, "META.OBSERVATION.DATE": "2001-01-01"})["flat"]
    assert isinstance(early, Missing)
    given = {**parameters, "META.OBSERVATION.DATE": "2022-05-01", "FILE": "x_uncal.fits"}
    absent = provider.find(["flat"], given)["flat"]
    assert absent.name == "jwst_nircam_flat_0001.fits"
    assert "not in the CRDS cache" in absent.reason
    command = "crds bestrefs --jwst --new-context jwst_0001.pmap --files x_uncal.fits --sync-references 1"
    assert command in absent.cure, "not the whole context: that is terabytes"
    stranger = provider.find(["flat"], {**parameters, "META.INSTRUMENT.NAME": "WFC3"})["flat"]
    assert "cannot be evaluated" in stranger.reason


def test_damaged_rules_are_an_outcome(provider, parameters, cache):
    path = cache / "mappings/jwst/jwst_nircam_flat_0001.rmap"
    path.write_text(path.read_text().replace("F200W", "F210M"))
    flat = provider.find(["flat"], parameters)["flat"]
    assert "sha1sum" in flat.reason


def test_a_cache_below_a_folder_called_main_archive(tmp_path, cache, parameters, monkeypatch):
    """The letters ``n/a`` in a path do not make its references inapplicable."""
    root = tmp_path / "main/archive"
    root.parent.mkdir()
    cache.rename(root)
    monkeypatch.setenv("CRDS_PATH", str(root))
    assert isinstance(CrdsProvider().find(["flat"], parameters)["flat"], Found)


def test_without_a_cache(parameters):
    outcomes = CrdsProvider().find(["flat", "dark"], parameters)
    assert {type(outcome) for outcome in outcomes.values()} == {Missing}
    assert "set CRDS_PATH" in outcomes["flat"].cure
    assert "--references DIR" in outcomes["flat"].cure


@pytest.mark.parametrize("context", [CONTEXT, "jwst-operational"])
def test_contexts(provider, parameters, monkeypatch, context):
    monkeypatch.setenv("CRDS_CONTEXT", context)
    assert isinstance(provider.find(["flat"], parameters)["flat"], Found)


@pytest.mark.parametrize(
    ("name", "value", "kind", "words"),
    [
        ("CRDS_CONTEXT", "jwst_0009.pmap", MissingReference, "no rules jwst_0009.pmap.*such as jwst_0001.pmap"),
        ("CRDS_CONTEXT", "banana", UsageError, "CRDS_CONTEXT=banana is no context.*such as jwst_0001.pmap"),
        ("CRDS_CONTEXT", "jwst-2024-01-01T00:00:00", UsageError, "offline"),
        ("CRDS_PATH", "/nosuch", UsageError, "does not exist.*/nosuch.*CRDS_PATH.*--references DIR"),
    ],
)
def test_wrong_settings_are_one_error(provider, parameters, monkeypatch, name, value, kind, words):
    monkeypatch.setenv(name, value)
    with pytest.raises(kind, match=words):
        provider.find(["flat", "dark"], parameters)


def test_a_simulated_exposure_without_its_cache_leaves_the_word_to_others(tmp_path):
    gone = {"SIMCACHE": str(tmp_path / "gone"), "SIMCTX": CONTEXT}
    assert SyntheticProvider().find(["flat"], gone) == {}


def test_parts_of_the_cache_elsewhere_and_flat(cache, parameters, monkeypatch, tmp_path):
    store = tmp_path / "flat_store"
    store.mkdir()
    (cache / f"references/jwst/nircam/{FLAT}").rename(store / FLAT)
    (cache / "config/jwst/ref_cache_subdir_mode").write_text("flat\n")
    monkeypatch.setenv("CRDS_PATH", str(cache))
    monkeypatch.setenv("CRDS_REFPATH_SINGLE", str(store))
    assert CrdsProvider().find(["flat"], parameters)["flat"].path == store / FLAT


def test_stored_answers_hold_until_the_rules_change(provider, parameters, cache, monkeypatch):
    first = provider.find(["flat"], parameters)
    monkeypatch.setattr("jwcore.references.crds_provider.evaluate", lambda *_: ({"flat": "N/A: asked again"}, []))
    assert provider.find(["flat"], parameters) == first
    os.utime(cache / "mappings/jwst/jwst_nircam_flat_0001.rmap", (1, 1))
    assert provider.find(["flat"], parameters)["flat"].reason == "asked again"


def test_answers_for_new_types_are_added(provider, parameters, cache):
    provider.find(["flat"], parameters)
    provider.find(["rscd"], parameters)
    assert set(ResolutionStore().get(provider.cache, ["flat", "rscd"], parameters)) == {"flat", "rscd"}


def test_a_store_that_cannot_be_written_does_no_harm(cache, parameters, tmp_path, monkeypatch):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    monkeypatch.setenv("CRDS_PATH", str(cache))
    provider = CrdsProvider(store=ResolutionStore(blocked))
    assert isinstance(provider.find(["flat"], parameters)["flat"], Found)


def test_fetch_downloads_what_is_absent(provider, parameters, cache, monkeypatch):
    from crds.client import api

    missing = provider.find(["flat"], {**parameters, "META.OBSERVATION.DATE": "2022-05-01"})["flat"]
    assert provider.fetch([missing]) == {"flat": missing}  # no server is configured
    monkeypatch.setenv("CRDS_SERVER_URL", "https://crds.invalid")
    monkeypatch.setattr(api, "dump_references", lambda context, names: write_reference(cache, names[0]))
    assert isinstance(provider.fetch([missing])["flat"], Found)
    (cache / "references/jwst/nircam" / missing.name).unlink()
    monkeypatch.setattr(api, "dump_references", lambda context, names: sys.exit("gone"))
    assert "downloading jwst_nircam_flat_0001.fits failed: gone" in provider.fetch([missing])["flat"].reason


def test_a_second_plan_imports_no_client(cache, parameters, tmp_path):
    """With a stored answer planning needs neither the client nor the slow libraries."""
    code = (
        "import json, sys\n"
        "from jwcore.references import chain_from_options\n"
        f"found = chain_from_options().find(['flat', 'rscd'], json.loads({json.dumps(json.dumps(parameters))}))\n"
        "slow = {'crds', 'asdf', 'numba', 'gwcs', 'scipy', 'photutils', 'astropy'} & set(sys.modules)\n"
        "print(found['flat'].name, sorted(slow))"
    )
    environment = {**os.environ, "CRDS_PATH": str(cache)}
    outputs = [
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert outputs[0].stderr == ""
    assert outputs[0].stdout.startswith(FLAT)
    assert outputs[1].stdout == f"{FLAT} []\n"


# ---- simulated exposures
def test_simulated_exposures_use_their_own_cache(cache, parameters):
    own = {**parameters, "SIMCACHE": str(cache), "SIMCTX": CONTEXT}
    found = SyntheticProvider().find(["flat"], own)["flat"]
    assert (found.name, found.provider, found.context) == (FLAT, "synthetic", CONTEXT)
    assert SyntheticProvider().find(["flat"], parameters) == {}
    assert isinstance(chain_from_options().find(["flat"], own)["flat"], Found)


# ---- official rules
@pytest.mark.realdata
def test_official_rules_for_real_headers(real_data, tmp_path, monkeypatch):
    """The answers for real exposures are those of the client's own entry point."""
    from crds.core import rmap

    from jwcore.references import parameters_of

    monkeypatch.setenv("CRDS_PATH", str(real_data / "crds_mappings"))
    monkeypatch.setenv("CRDS_CONTEXT", "jwst_0567.pmap")
    types = [
        "area",
        "dark",
        "distortion",
        "flat",
        "gain",
        "linearity",
        "mask",
        "photom",
        "readnoise",
        "rscd",
        "saturation",
    ]
    paths = [*sorted(real_data.glob("niriss_ami/*.fits"))[:2], *real_data.glob("fgs_guider/*.fits")]
    assert paths
    for path in paths:
        header = fits.getheader(path)
        meta = {
            "instrument": {"name": header["INSTRUME"], "detector": header["DETECTOR"], "filter": header.get("FILTER")},
            "exposure": {"type": header["EXP_TYPE"], "readpatt": header["READPATT"]},
            "subarray": {"name": header["SUBARRAY"]},
            "observation": {"date": header["DATE-OBS"], "time": header["TIME-OBS"]},
        }
        meta["instrument"]["pupil"] = header.get("PUPIL")
        parameters = parameters_of(meta)
        best = rmap.get_best_references("jwst_0567.pmap", dict(parameters), include=types)
        for type_, outcome in CrdsProvider().find(types, parameters).items():
            expected = best.get(type_, "NOT FOUND Unknown")
            if expected.startswith("NOT FOUND"):
                assert not isinstance(outcome, Found)
                assert getattr(outcome, "name", None) is None
            else:
                assert outcome.name == expected
