# Thin wrapper: every command lives in tasks.py, which also runs where there is no make.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
  if $$p --version >/dev/null 2>&1; then echo $$p; break; fi; done)
TASKS = setup test browser lab bench lock words clean help

.PHONY: $(TASKS) book notebooks
.DEFAULT_GOAL := help

$(TASKS):
	@$(PYTHON) tasks.py $@

# FRESH=1: from no cache.
book:
	@$(PYTHON) tasks.py book $(if $(FRESH),--fresh)

# N=03: only that chapter.
notebooks:
	@$(PYTHON) tasks.py notebooks $(N)
