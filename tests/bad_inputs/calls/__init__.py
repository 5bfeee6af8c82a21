"""Valid calls of the public callables, a table a module: see `tests.bad_inputs`."""
