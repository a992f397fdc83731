"""Labels to polygons with attributes, and the vector formats they are handed out in."""
