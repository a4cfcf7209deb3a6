"""What several models, and those of other packages, are made of."""
