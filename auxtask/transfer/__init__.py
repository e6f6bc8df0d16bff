"""Reuse, freeze, fine-tune: knows nothing of faces or text."""
