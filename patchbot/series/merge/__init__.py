"""Hand-written patches onto another tree: what they were written for, where they land, what is thought of it."""
