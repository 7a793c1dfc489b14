import numpy as np
import pytest

from jwcore import models

PARTS = {"program_number": "01234", "observation_number": "001", "visit_number": "001", "visit_group": "02"}


@pytest.fixture
def files(tmp_path, image):
    """Two detectors of one exposure, one of the next."""
    paths = []
    for number, detector in (("1", "NRCA1"), ("1", "NRCA2"), ("2", "NRCA1")):
        for name, value in (PARTS | {"sequence_id": "1", "activity_id": "01", "exposure_number": number}).items():
            setattr(image.meta.observation, name, value)
        image.meta.instrument.detector = detector
        paths.append(models.write(image, tmp_path / f"jw01234001001_02101_0000{number}_{detector.lower()}_cal.fits"))
    return paths


@pytest.mark.parametrize("in_memory", [True, False])
def test_edits_are_kept(files, in_memory):
    before = [models.fingerprint(path) for path in files]
    exposures = models.ExposureSet(files, in_memory=in_memory)
    for number, exposure in enumerate(exposures.each()):
        exposure.data[...] = number
        exposure.meta.background.level = float(number)
        exposure.meta.note = [number]
    assert [exposure.data[0, 0] for exposure in exposures] == [0, 1, 2]
    assert [meta.background.level for meta in exposures.metas()] == [0, 1, 2]
    assert exposures[2].meta.note == [2]
    assert [meta.filename for meta in exposures.metas()] == [path.name for path in files]
    assert [models.fingerprint(path) for path in files] == before
    assert (exposures[0] is exposures[0]) is in_memory
    exposures.close()


def test_leaving_the_loop_early_keeps_the_edit(files):
    exposures = models.ExposureSet(files, in_memory=False)
    for exposure in exposures.each():
        exposure.data[...] = 7
        break
    assert exposures[0].data[0, 0] == 7
    exposures.close()


def test_looking_writes_nothing(files):
    exposures = models.ExposureSet(files, in_memory=False)
    assert sum(exposure.data.size for exposure in exposures.each(edit=False)) == 3 * 48
    assert exposures.paths() == files


def test_groups_and_name(files):
    exposures = models.ExposureSet(files)
    assert exposures.groups() == {"jw01234001001_02101_00001": [0, 1], "jw01234001001_02101_00002": [2]}
    assert exposures.name == "jw01234001001_02101_00001_nrca1"
    assert len(exposures) == 3
    assert all(isinstance(item, type(files[0])) for item in exposures._items), "no member was loaded"
    info = [{"group_id": "a"}, {}, {"group_id": "a", "tweakreg_catalog": "c.ecsv"}]
    exposures = models.ExposureSet(files, members_info=info, name="mosaic")
    assert exposures.groups() == {"a": [0, 2], "jw01234001001_02101_00001": [1]}
    assert exposures.members_info[2]["tweakreg_catalog"] == "c.ecsv"
    assert exposures.name == "mosaic"


def test_in_memory_members(image):
    exposures = models.ExposureSet([image, models.Image(data=np.ones((2, 2)))])
    assert exposures[0] is image
    assert exposures.group_ids == ["exposure0001", "exposure0002"]
    exposures[1] = image
    assert exposures[-1] is image
    assert exposures.metas() == [image.meta, image.meta]
    assert "2 exposures" in repr(exposures)


def test_combined_metadata(files):
    exposures = models.ExposureSet(files)
    assert exposures.blended_meta().instrument.detector == "MULTIPLE"
    assert exposures.header_table()["DETECTOR"].tolist() == ["NRCA1", "NRCA2", "NRCA1"]
