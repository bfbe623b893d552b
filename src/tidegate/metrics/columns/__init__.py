"""What is said of a column in the same way whether it comes in or goes out: one metric a file, one object a side."""
