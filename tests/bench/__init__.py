"""What things cost here and in the stock toolkit, side by side on one PostgreSQL: `make bench`."""
