"""Clients: the applications registered here, their flags and their secrets."""
