"""Whether everything that the product stands on is as it must be: the same checks for a command and for a page."""
