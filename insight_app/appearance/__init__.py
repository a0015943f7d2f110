"""How pages look and which keys they know, as each person chose it for their browser."""
