"""What a person, or another program, reads: terminal text and JSON."""
