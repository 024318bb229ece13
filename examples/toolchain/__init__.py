"""What the example tools and the test guests are built with: a C compiler from PyPI and a small component maker."""
