"""How the embedded network comes to be: synthetic scenes, simulated prompts, losses and the loop; imports no torch."""
