"""Pages of the documentation that are made from the code, each by ``python -m tests.pages.NAME``; tests compare them."""
