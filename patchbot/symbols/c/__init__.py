"""C and assembler as text; nothing here knows releases."""
