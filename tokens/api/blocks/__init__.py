"""Blocks of addresses and users: who is refused, why and until when; and their end."""
