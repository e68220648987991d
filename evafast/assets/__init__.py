"""Image files to a Bank of preprocessed pixels."""
