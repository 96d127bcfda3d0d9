"""Pure values: versions, specs, records, channels, platforms and the metadata inside packages."""
