"""Books and the categories they stand in."""

from dataclasses import dataclass


class Category:
    """A shelf, perhaps inside another one. The topmost shelf is its own parent."""

    def __init__(self, name, parent=None):
        self.name = name
        self.parent = parent or self

    def depth(self):
        """How many shelves stand above this one."""
        return 0 if self.parent is self else 1 + self.parent.depth()


@dataclass
class Book:
    title: str
    category: Category
    cents: int
