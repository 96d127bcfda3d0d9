"""What the process says when it ends; known to the command line only."""

DONE = 0
FAILED = 1
WRONG_USAGE = 2
# A process that a signal ended answers with this plus the signal's number, as shells do.
SIGNALLED = 128
