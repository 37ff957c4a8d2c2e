"""Rust as text: tokens, items, attributes and macros; nothing here knows releases."""
