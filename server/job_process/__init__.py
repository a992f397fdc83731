"""Jobs in a process of their own beside the one that serves, so that nobody who waits for a page waits for them."""
