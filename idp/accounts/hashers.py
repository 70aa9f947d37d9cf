"""How the passwords of local accounts are kept."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class PasswordHasher(Argon2PasswordHasher):
    """Argon2id with the parameters of OWASP's Password Storage Cheat Sheet: 19 MiB, 2 passes, one
    thread.

    Django's own (100 MiB, 8 threads) cost a third of a second of processor time for each sign-in,
    and that much memory for each that runs at once.
    """

    memory_cost = 19 * 1024
    time_cost = 2
    parallelism = 1
