"""The pages by which users see and end what is theirs."""
