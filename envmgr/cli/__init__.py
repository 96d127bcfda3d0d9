"""The command line: arguments in, an operation called, its result rendered. Nothing else is decided here."""
