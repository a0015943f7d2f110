"""What the operator sees: logs, metrics and health, never a word of what people write."""
