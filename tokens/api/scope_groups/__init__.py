"""Scope groups: names for several scopes and other groups."""
