import numpy as np

from jwcore.models import Meta, blend, header_table


def test_every_rule():
    first = Meta(
        {
            "observation.date": "2022-06-06",
            "observation.time": "01:00:00.000",
            "exposure.end_time": 59736.0,
            "exposure.mid_time": 59735.0,
            "exposure.duration": 10.0,
            "exposure.segment_number": 2,
            "instrument.detector": "NRCA1",
            "instrument.module": "A",
            "instrument.filter_wheel_tolerance": "within commanded tolerance",
            "program.title": "first",
            "own": {"attribute": 1},
        }
    )
    second = Meta(
        {
            "observation.date": "2022-06-05",
            "observation.time": "23:00:00.000",
            "exposure.end_time": 59735.5,
            "exposure.mid_time": 59736.0,
            "exposure.duration": 5.0,
            "exposure.segment_number": 1,
            "exposure.start_time": 1.0,
            "instrument.detector": "NRCA2",
            "instrument.module": "A",
            "instrument.filter_wheel_tolerance": "outside calibration tolerance",
            "program.title": "second",
        }
    )
    blended = blend([first, second])
    assert dict(blended.items()) == {
        "observation.date": "2022-06-05",
        "observation.time": "01:00:00.000",
        "program.title": "first",
        "instrument.detector": "MULTIPLE",
        "instrument.module": "A",
        "instrument.filter_wheel_tolerance": "outside calibration tolerance",
        "exposure.start_time": 1.0,
        "exposure.mid_time": 59735.5,
        "exposure.end_time": 59736.0,
        "exposure.segment_number": 2,
        "exposure.duration": 15.0,
    }
    assert blended.own.attribute == 1
    assert first.instrument.detector == "NRCA1"


def test_header_table():
    metas = [
        Meta({"filename": "a.fits", "exposure.nints": 2, "visit.tsovisit": True, "resample.pointings": 4}),
        Meta(
            {
                "filename": "bb.fits",
                "target.ra": 1.5,
                "visit.tsovisit": False,
                "program.title": "t",
                "exposure.nints": 3,
            }
        ),
    ]
    table = header_table(metas)
    assert table.dtype.names == ("FILENAME", "TITLE", "TSOVISIT", "TARG_RA", "NINTS")
    assert table["FILENAME"].tolist() == ["a.fits", "bb.fits"]
    assert table["TITLE"].tolist() == ["nan", "t"]
    assert table["NINTS"].tolist() == [2, 3]
    assert table["TSOVISIT"].tolist() == [True, False]
    assert np.isnan(table["TARG_RA"][0])
