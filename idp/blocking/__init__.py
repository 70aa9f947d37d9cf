"""Who is refused: failed attempts are counted, and addresses and users blocked for a while."""
