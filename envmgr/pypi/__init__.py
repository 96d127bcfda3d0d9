"""PyPI distributions inside a prefix: installing the items that files ask for, and reading what is there."""
