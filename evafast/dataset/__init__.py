"""A dataset on disk: its plan, manifest, names, store, formats and readers."""
