"""One loss per file, one contract: loss(embeddings, labels)."""
