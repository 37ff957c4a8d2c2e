"""The patches of a release: policy, mail form, the lock beside them, and the check that they are in step."""
