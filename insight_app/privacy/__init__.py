"""What becomes of people's own words: how long they are kept, how they are taken along, how they are deleted."""
