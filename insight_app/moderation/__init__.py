"""What may be asked and answered here: rules that a person sets, and the screen that holds texts to them."""
