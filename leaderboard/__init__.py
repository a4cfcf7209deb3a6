"""Run records to table, statistics, plots and page: a pure function of the records."""
