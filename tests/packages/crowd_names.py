"""The names of the packages that a crowd installs (see crowd_member.py)."""

NAMES = [f"p{at}" for at in range(8)]
