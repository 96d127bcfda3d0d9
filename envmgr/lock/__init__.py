"""Lock files: one module per format and version. The old ones are read, the newest is written. All of it is pure.

`locked` has the values that every format is read into; what they become in an environment is `envmgr.ops.locked`'s
business. Every package of a lock has a checksum here, or the reading ends with a sentence.
"""
