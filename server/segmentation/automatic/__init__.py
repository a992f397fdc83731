"""SAM's automatic masks: every object of one patch, from clicks on a grid."""
