"""Measures envmgr beside other tools, in turns in one run; docs/benchmarks.md says how to run and read it.

Nothing here asserts a time. Each benchmark's docstring names what is timed on each side.
"""
