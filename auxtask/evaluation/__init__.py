"""What is measured, and how arms are compared."""
