"""The REST API for operators and their programs, below `/api/v1/`; see docs/api.md.

JSON alone, and a token of ours alone: no cookie opens it. What is wrong is said by problem details
(RFC 9457).
"""
