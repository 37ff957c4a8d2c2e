"""Crates under their own names: which ones, their manifests, and byte-reproducible ``.crate`` files."""
