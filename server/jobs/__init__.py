"""Work that takes longer than a request: records, the queue with its workers, and what jobs do."""
