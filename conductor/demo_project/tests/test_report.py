import unittest

from bookshop.catalog import Book, Category
from bookshop.report import Report

HOUSE = Category("House")


class ReportTest(unittest.TestCase):
    def test_csv_has_a_header_and_a_line_for_each_book(self):
        report = Report([Book("Emma", HOUSE, 950), Book('The "Odyssey"', HOUSE, 1200)])
        self.assertEqual(report.to_csv(), 'title,cents\r\nEmma,950\r\n"The ""Odyssey""",1200\r\n')
