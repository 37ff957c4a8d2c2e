"""What is said of a build: build scripts, the conditions in them, manifests."""
