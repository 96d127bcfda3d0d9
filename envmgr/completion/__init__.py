"""Completion of command lines: the script for each shell, and how its words are read and written. Pure."""
