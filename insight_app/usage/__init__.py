"""What was asked of which model, by whom, when and how fast: never a word of it."""
