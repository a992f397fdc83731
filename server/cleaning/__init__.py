"""Removes what nobody needs any more, without touching what a live client or a running job uses."""
