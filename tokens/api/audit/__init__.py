"""Audit events: what has happened, who did it and from where."""
