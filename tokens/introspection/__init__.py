"""Looking at a token: is it alive, whose is it, what may it do."""
