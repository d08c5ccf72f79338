"""Dead letters: change events that could not be handled, and what operators do with them."""
