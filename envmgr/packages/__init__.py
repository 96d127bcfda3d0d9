"""Package archives and the package cache: reading, checking, downloading, unpacking and writing them."""
