"""People look at masks that were built from boxes: accept, correct, reject; what they decide enters the export."""
