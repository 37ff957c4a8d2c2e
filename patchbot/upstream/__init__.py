"""Which releases exist, and their bytes: a registry's index, ``.crate`` downloads, unpacking to a tree."""
