"""Scopes: what clients may ask for, in words that users read."""
