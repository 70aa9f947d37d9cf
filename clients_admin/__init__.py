"""Who may ask, for what, under which flags; and the operators' UI for it."""
