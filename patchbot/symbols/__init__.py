"""Which link-time names a release defines and refers to, and the edits that give each one the suffix."""
