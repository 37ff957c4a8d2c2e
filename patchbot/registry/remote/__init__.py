"""Other registries: publishing that goes on after anything, yanks, probes."""
