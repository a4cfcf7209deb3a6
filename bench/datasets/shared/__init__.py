"""What datasets share: splits, what their numbers stand for, reading by worker processes."""
