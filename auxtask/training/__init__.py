"""What Keras' own fit needs from us."""
