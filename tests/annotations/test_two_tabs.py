"""Two tabs that edit, undo and redo in any order both end with what the server holds, which is what is right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from server.annotations.edits import ChangedObject, LayerEdit, LayerState, Limits, SeenObject
from server.annotations.store import AnnotationStore
from server.errors import Conflict, WrongMoment
from server.vectors.annotated import AnnotatedObject, ObjectClass, ObjectFacts
from tests.annotations.squares import square

TABS = st.integers(0, 1)
NAMES = st.sampled_from([None, "roof", "pool", "road"])
FACTS = st.builds(ObjectFacts, st.integers(0, 99).map(square), NAMES)
PICKS = st.lists(st.integers(0, 20), max_size=3, unique=True)
COLORS = st.sampled_from(["#000000", "#ffffff"])


@dataclass
class Tab:
    """What one page knows: it patches its state with every answer."""

    revision: int = 0
    objects: dict[int, AnnotatedObject] = field(default_factory=dict)
    classes: Sequence[ObjectClass] = ()

    def take(self, answer: LayerState) -> None:
        assert answer.since <= self.revision, "an answer must not skip what the tab has not seen"
        if answer.since == 0:
            self.objects.clear()
        for number in answer.removed_ids:
            self.objects.pop(number, None)
        self.objects |= {item.id: item for item in answer.objects}
        self.revision, self.classes = answer.revision, answer.classes

    def pick(self, places: Sequence[int]) -> list[AnnotatedObject]:
        """Return objects this tab sees, by place in its list."""
        shown = list(self.objects.values())
        return [shown[place] for place in places if place < len(shown)]


@dataclass(frozen=True)
class Content:
    """What a layer holds, revisions aside: facts by id, and the class table."""

    objects: dict[int, ObjectFacts]
    classes: tuple[ObjectClass, ...]


class TwoTabs(RuleBasedStateMachine):
    """Beside the store it keeps, in the plainest way, the list of all contents that undo and redo move through."""

    def __init__(self, store: AnnotationStore, raster_id: str) -> None:
        super().__init__()
        self.store, self.raster_id = store, raster_id
        self.tabs = (Tab(), Tab())
        self.contents = [Content({}, ())]
        self.position = 0
        self.used_ids: set[int] = set()

    @rule(tab=TABS, added=st.lists(FACTS, max_size=3), changed=PICKS, removed=PICKS, facts=FACTS)
    def edit(self, tab, added, changed, removed, facts):
        seen = self.tabs[tab]
        changed, removed = seen.pick(changed), seen.pick([place for place in removed if place not in changed])
        self._apply(
            seen,
            LayerEdit(
                "edit",
                added,
                [ChangedObject(item.id, item.revision, facts) for item in changed],
                [SeenObject(item.id, item.revision) for item in removed],
            ),
        )

    @rule(tab=TABS, kept=st.lists(st.booleans(), min_size=3, max_size=3), name=NAMES, color=COLORS)
    def edit_classes(self, tab, kept, name, color):
        """Leave classes out, and rename or recolour the first that stays."""
        seen = self.tabs[tab]
        table = [row for row, stays in zip(seen.classes, kept, strict=False) if stays]
        if table and name not in {row.name for row in table}:
            table[0] = replace(table[0], name=name or table[0].name, color=color)
        self._apply(seen, LayerEdit("classes", classes=table))

    @rule(tab=TABS, is_redo=st.booleans())
    def move(self, tab, is_redo):
        seen = self.tabs[tab]
        position = self.position + (1 if is_redo else -1)
        act = self.store.redo if is_redo else self.store.undo
        if 0 < seen.revision < self.store.read(self.raster_id).revision:
            with pytest.raises(Conflict):
                act(self.raster_id, seen.revision)
        elif seen.revision == 0 or not 0 <= position < len(self.contents):
            with pytest.raises((WrongMoment, Conflict)):
                act(self.raster_id, seen.revision)
        else:
            self.position = position
            seen.take(act(self.raster_id, seen.revision))

    @rule(tab=TABS)
    def look(self, tab):
        self.tabs[tab].take(self.store.read(self.raster_id, self.tabs[tab].revision))

    @invariant()
    def the_server_holds_what_is_right(self):
        state = self.store.read(self.raster_id)
        assert (
            Content({item.id: item.facts for item in state.objects}, tuple(state.classes))
            == self.contents[self.position]
        )
        assert (state.undo_title is None, state.redo_title is None) == (
            self.position == 0,
            self.position == len(self.contents) - 1,
        )
        assert self.store.count(self.raster_id) == len(state.objects)

    def teardown(self):
        state = self.store.read(self.raster_id)
        for seen in self.tabs:
            seen.take(self.store.read(self.raster_id, seen.revision))
            assert sorted(seen.objects.values(), key=lambda item: item.id) == list(state.objects)
            assert (seen.revision, list(seen.classes)) == (state.revision, list(state.classes))

    def _apply(self, seen: Tab, edit: LayerEdit) -> None:
        latest = self.store.read(self.raster_id)
        revisions = {item.id: item.revision for item in latest.objects}
        is_outdated = any(revisions.get(item.id) != item.revision for item in (*edit.changed, *edit.removed))
        if edit.classes is not None and list(seen.classes) != list(latest.classes):
            is_outdated = True
        try:
            answer = self.store.apply(self.raster_id, edit, seen.revision)
        except Conflict:
            # Back and forth may have led to the very classes the tab saw; refusing is right all the same.
            assert is_outdated or (edit.classes is not None and seen.revision < latest.revision)
            assert self.store.read(self.raster_id) == latest
            return
        assert not is_outdated
        if answer.revision > latest.revision:
            self._remember(edit, answer)
        seen.take(answer)

    def _remember(self, edit: LayerEdit, answer: LayerState) -> None:
        """Work out what the edit makes of the content so far."""
        earlier = self.contents[self.position]
        table = list(earlier.classes if edit.classes is None else edit.classes)
        was_called = {row.name: row.id for row in earlier.classes}
        is_called = {row.id: row.name for row in table}
        objects = {
            number: replace(facts, class_name=is_called.get(was_called.get(facts.class_name)))
            for number, facts in earlier.objects.items()
        }
        objects |= {item.id: item.facts for item in edit.changed}
        for item in edit.removed:
            del objects[item.id]
        new_ids = sorted(item.id for item in answer.objects if item.id not in self.used_ids)
        assert len(new_ids) == len(edit.added), "ids are never used again"
        objects |= dict(zip(new_ids, edit.added, strict=True))
        self.used_ids |= set(new_ids)
        names = {facts.class_name for facts in objects.values()} - {None}
        assert {row.name for row in answer.classes} >= names | {row.name for row in table}
        self.contents[self.position + 1 :] = [Content(objects, tuple(answer.classes))]
        self.position += 1


@pytest.mark.parametrize("limits", [Limits(), Limits(n_removals=2)], ids=["usual", "forgetful"])
def test_two_tabs_end_with_what_the_server_holds(engine, add_raster: Callable[..., str], limits):
    store = AnnotationStore(engine, limits)
    run_state_machine_as_test(
        lambda: TwoTabs(store, add_raster()),
        settings=settings(max_examples=25, stateful_step_count=25, deadline=None),
    )
