"""Pages that are made from the code, each by ``python -m tests.pages.NAME``. Tests compare them."""
