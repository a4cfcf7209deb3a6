"""What an operator is like, measured: ``bench describe``."""
