"""The machine that envmgr runs on: its virtual packages, its clock, its programs."""
