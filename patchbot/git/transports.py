"""How git may reach a server."""

# git would run a program for any other (gitremote-helpers(7)); ext:: runs whatever its address says
TRANSPORTS = ("file", "git", "http", "https", "ssh")
