"""Environments on disk: what goes where, links and patched files, conda-meta, all-or-nothing creation."""
