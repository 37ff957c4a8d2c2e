"""Do they live together: what ``nm`` says, one linked program, and what happens when it runs."""
