"""The tracking store in a SQL database: each module has functions on a connection in the caller's transaction; ``view`` calls them."""
