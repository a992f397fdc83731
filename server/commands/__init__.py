"""The command line: the same functions as the routes, no HTTP; one module per command."""
