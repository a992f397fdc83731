"""The command line: the functions behind the routes, without HTTP."""
