"""git as patchbot uses it: the store, its objects, other people's repositories; untouched by anybody's settings."""
