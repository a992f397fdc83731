"""Labelled imagery as people have it, one record per image; free of torch."""
