"""Patches as bytes: mails, the diffs in them, binary files; read exactly, nothing guessed."""
