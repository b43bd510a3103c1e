"""Labels for files, tables and streams of any size, on one machine, on clusters and in databases."""
