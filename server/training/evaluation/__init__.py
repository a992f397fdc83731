"""How good a checkpoint is on labelled imagery, beside simple methods, in one table that anyone can make again."""
