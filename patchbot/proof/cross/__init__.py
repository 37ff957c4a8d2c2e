"""Toolchains for other machines: the ones that are there, a private one in the cache, and a trial of both."""
