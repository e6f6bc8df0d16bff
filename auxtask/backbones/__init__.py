"""Networks, and how they are saved and loaded safely."""
