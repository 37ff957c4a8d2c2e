"""Indexes of cargo registries: their addresses, their lines, and those that are git repositories."""
