"""How good masks are, as functions of arrays alone; every module states what it answers where nothing is there."""
