"""A package, so that the `tests` which another wheel installs at top level is not taken for it."""
