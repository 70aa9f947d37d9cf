"""What would come out for a client, a grant, a user and a scope, and what decided it.

Asked of the very functions that the endpoints ask; nothing is issued, written, signed or audited.
"""
