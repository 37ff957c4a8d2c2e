"""Which releases exist, and their bytes: the sparse index, ``.crate`` downloads, unpacking to a tree."""
