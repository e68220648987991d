"""From image files to a `Bank` of preprocessed pixels."""
