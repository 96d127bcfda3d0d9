"""Channels: their indexes on the network and in the store on disk."""
