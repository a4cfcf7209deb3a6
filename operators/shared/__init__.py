"""Parts that several operators, models and the harness share."""
