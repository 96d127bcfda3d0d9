"""Finds the set of packages that fulfils a request, or the reasons why there is none; pure, no effects."""
