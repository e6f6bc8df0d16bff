"""One auxiliary task per file; each yields a pretrained backbone."""
