"""A recipe's run: its config, folder, progress, figures and report."""
