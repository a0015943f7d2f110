"""People: who is asking, how they sign in, and what is theirs."""
