"""What a compiler is given of a release, and the names that it must come to."""
