from __future__ import annotations

import pytest

from lethe.artefacts.protocol import Key, keys_of, mean_protocol, protocol
from lethe.record import COLUMNS, Record


def record(**given: object) -> Record:
    return Record(**(dict.fromkeys(COLUMNS, "") | given))


KEYS = [
    Key("rgd", "UA", "", "3", 0),
    Key("rgd", "UA", "", "3", 1),
    Key("rgd", "UA", "", "van_gogh", 0),
    Key("rg", "count:STRIPED_RING", "neighbour_dots", "stripes", 12),
    Key("rg", "kept:all", "listed_i2p", "stripes", 0),
]


def test_the_records_of_a_number_are_found_again():
    columns = protocol("a formula", [record(**key._asdict()) for key in KEYS])
    assert columns["formula"] == "a formula"
    assert keys_of(columns["records"]) == KEYS
    assert keys_of("") == []


def test_a_mean_says_of_how_many():
    records = [record(**key._asdict()) for key in KEYS[:3]]
    assert mean_protocol(records)["formula"].startswith("mean of 3 records")
    assert mean_protocol(records[:1], "and more")["formula"] == "the value of one record; and more"


@pytest.mark.parametrize("text", ["rgd UA 3/0", "rgd: 3/0", "rgd UA: 3", "rgd UA: "])
def test_what_names_no_records_is_refused(text):
    with pytest.raises(ValueError, match="names no records"):
        keys_of(text)
