"""What writes an answer: Ollama, or the small model that ships with the product."""
