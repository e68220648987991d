"""Picture files and folders into a Bank of preprocessed pixels."""
