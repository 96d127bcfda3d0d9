"""What envmgr does, as functions from a request and a `Context` to a result value; no terminal is known here."""
