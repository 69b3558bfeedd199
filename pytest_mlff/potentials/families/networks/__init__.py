"""Networks of families that are trained from a script: one file each, built from plain settings."""
