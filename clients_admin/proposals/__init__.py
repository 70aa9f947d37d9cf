"""Proposed changes of clients, scopes and groups, and who must approve them; decision 0019."""
