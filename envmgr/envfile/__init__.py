"""Files that ask for an environment (environment.yml, plain text lists), read into values with lines."""
