import unittest

from bookshop.catalog import Category

HOUSE = Category("House")
FICTION = Category("Fiction", HOUSE)
CRIME = Category("Crime", FICTION)


class FullNameTest(unittest.TestCase):
    def test_the_topmost_category_is_just_its_name(self):
        self.assertEqual(HOUSE.full_name(), "House")

    def test_a_category_is_named_with_all_above_it(self):
        self.assertEqual(CRIME.full_name(), "House / Fiction / Crime")
