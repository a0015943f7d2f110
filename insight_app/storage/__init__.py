"""Where conversations are kept: one database, its tables and the steps that lead to them."""
