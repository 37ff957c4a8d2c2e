"""The only place that chains rooms: each stage shows its plan, acts, and leaves what the next one reads.

A stage that has nothing new to do does nothing and says so.  A run that was interrupted goes on where it
was, since every result is kept under the key of what it was made from.
"""
