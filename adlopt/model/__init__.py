"""The statement of the problem: books, problems, caps, constraints and losses."""
