"""What a dataset is: plan, manifest, names, store, formats and readers."""
