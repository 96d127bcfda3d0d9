"""Builds conda packages from recipes in the v1 format (CEP 13, 14, 39, 41)."""
