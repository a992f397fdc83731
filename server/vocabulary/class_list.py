"""The classes a user asks for, each with its synonyms."""

from __future__ import annotations

from dataclasses import dataclass

from server.errors import BadParameter

# Class maps are 8-bit with 0 for pixels without data.
MAX_CLASSES = 254
# Prompts longer than this would not fit CLIP's 77 tokens beside a template.
MAX_WORD_LENGTH = 80
FIELD = "classes"


@dataclass(frozen=True)
class ClassList:
    """Classes in the order of their numbers.

    Attributes:
        synonyms: per class the words that stand for it, the first of which is its name.
    """

    synonyms: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        """Refuse lists that cannot be meant.

        Raises:
            BadParameter: there are no classes or too many, a class has no word, or a word is too long or given twice.
        """
        if not 1 <= len(self.synonyms) <= MAX_CLASSES:
            raise BadParameter(f"{len(self.synonyms)} classes were given; expected 1 to {MAX_CLASSES}.", FIELD)
        words = [word for synonyms in self.synonyms for word in synonyms]
        if not all(self.synonyms) or not all(word.strip() for word in words):
            raise BadParameter("A class has no name; give every class at least one word.", FIELD)
        too_long = next((word for word in words if len(word) > MAX_WORD_LENGTH), None)
        if too_long is not None:
            raise BadParameter(f'"{too_long[:40]}…" is longer than {MAX_WORD_LENGTH} characters.', FIELD)
        twice = next((word for number, word in enumerate(words) if word in words[:number]), None)
        if twice is not None:
            raise BadParameter(f'"{twice}" was given twice; a word can stand for one class only.', FIELD)

    @property
    def names(self) -> tuple[str, ...]:
        """One name per class."""
        return tuple(synonyms[0] for synonyms in self.synonyms)

    @property
    def words(self) -> tuple[str, ...]:
        """All words of all classes, in order."""
        return tuple(word for synonyms in self.synonyms for word in synonyms)

    @property
    def class_of(self) -> tuple[int, ...]:
        """Number of the class of each word, from 0."""
        return tuple(number for number, synonyms in enumerate(self.synonyms) for _ in synonyms)


def parse_classes(text: str) -> ClassList:
    """Read one class per line, synonyms separated by commas, such as `building,roof,house`; empty lines are skipped.

    Raises:
        BadParameter: see `ClassList`.
    """
    lines = [line.strip() for line in text.splitlines()]
    return ClassList(tuple(tuple(word.strip() for word in line.split(",")) for line in lines if line))
