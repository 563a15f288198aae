"""What is in the shop, as text."""


class Report:
    def __init__(self, books):
        self.books = list(books)

    def total(self):
        """The price of everything, in cents."""
        return sum(book.cents for book in self.books)
