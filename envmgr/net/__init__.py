"""The network: the only implementations of the Transport port."""
