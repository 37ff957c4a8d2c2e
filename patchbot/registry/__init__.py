"""Where the forks are kept: a directory that cargo reads as a local registry."""
