"""What an operator sees of the running service: log lines with ids, measurements, the state of the machine."""
