"""Datasets are read on access and parted by area."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from server.datasets.errors import BadDataset
from server.datasets.options import Grouping, ReadingOptions
from server.datasets.reading import read_dataset
from server.datasets.scenes import Dataset, LabelledScene, list_names, split_by_group, take_spread


@dataclass
class CountingSource:
    name: str
    group: str
    n_read: list[int] = field(default_factory=lambda: [0])

    def read(self) -> LabelledScene:
        self.n_read[0] += 1
        nothing = np.zeros((2, 2), np.int32)
        return LabelledScene(self.name, np.zeros((2, 2, 3), np.uint8), nothing, nothing, self.group)


def make_dataset(*groups: str) -> Dataset:
    return Dataset([CountingSource(f"{index}", group) for index, group in enumerate(groups)], ["roof"], ["told"])


def test_records_are_read_when_asked_for():
    dataset = make_dataset("a", "b")
    assert (len(dataset), dataset.groups, dataset.names) == (2, ("a", "b"), ("0", "1"))
    assert dataset.sources[0].n_read == [0]
    assert dataset[0].name == "0"
    assert dataset.sources[0].n_read == [1]
    assert [scene.name for scene in dataset[1:]] == ["1"]
    assert dataset.sources[0].n_read == [1]


def test_no_area_is_on_both_sides_of_a_split():
    rest, apart = split_by_group(make_dataset("a", "b", "a", "c"), ["a"])
    assert (rest.groups, apart.groups) == (("b", "c"), ("a", "a"))
    assert (apart.class_names, apart.messages) == (("roof",), ("told",))


@pytest.mark.parametrize(
    ("held_out", "complaint"),
    [(["d"], 'area "d"; the areas are "a", "b"'), (["a", "b"], "leaves one part empty"), ([], "leaves one part empty")],
)
def test_splits_that_make_no_sense_get_a_sentence(held_out, complaint):
    with pytest.raises(BadDataset, match=complaint):
        split_by_group(make_dataset("a", "b"), held_out)


def test_a_part_of_the_records_is_spread_evenly():
    dataset = make_dataset(*"abcdefghij")
    assert take_spread(dataset, 3).groups == ("a", "d", "g")
    assert take_spread(dataset, 99).groups == dataset.groups


def test_long_lists_of_names_are_shortened():
    assert list_names(str(number) for number in range(10)).endswith('"7" and 2 more')
    assert list_names([]) == "none"


def test_areas_are_told_by_names_and_folders(save_pair, images, masks):
    for name in ("north/a_t1", "north/b_t2", "south/c_t1"):
        save_pair(name, np.zeros((4, 4), np.uint8))
    assert read_dataset(images, masks).groups == ("north", "north", "south")
    by_name = ReadingOptions(grouping=Grouping("name", r"t(\d)$"))
    assert read_dataset(images, masks, by_name).groups == ("1", "2", "1")
    for pattern, complaint in (("x", "finds nothing in the name a_t1"), ("(", "no regular expression")):
        with pytest.raises(BadDataset, match=complaint):
            read_dataset(images, masks, ReadingOptions(grouping=Grouping("name", pattern)))
    with pytest.raises(BadDataset, match="no place on Earth"):
        read_dataset(images, masks, ReadingOptions(grouping=Grouping("location")))
