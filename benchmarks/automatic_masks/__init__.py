"""This project's mask generator beside the package's, on the same network: parity, speed, memory, where time goes."""
