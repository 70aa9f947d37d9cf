"""Tables that are partitioned by their id, and lose old rows by DROP TABLE (decision 0002)."""
