"""``python -m patchbot``."""

from patchbot.cli import main

main()
